//! openapi.yaml against the routes, and against the rules that generated clients need. That every answer keeps to it is
//! checked wherever a test talks to the API: see `support/contract.rs`.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use mendline::app::{FREE, ROUTES};
use mendline::push::CARRIERS;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::contract::{TEXT, contract, schema_name};

/// Every operation of the document: method, path, the operation.
fn operations() -> Vec<(String, &'static str, &'static Value)> {
    let paths = contract().document["paths"].as_object().expect("paths");
    let all = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("a path item");
        methods.iter().map(move |(method, operation)| (method.to_ascii_uppercase(), path.as_str(), operation))
    });
    all.collect()
}

fn schemas() -> impl Iterator<Item = (&'static str, &'static Value)> {
    let schemas = contract().document["components"]["schemas"].as_object().expect("schemas");
    schemas.iter().map(|(name, schema)| (name.as_str(), schema))
}

/// Every value within, with its path.
fn walk<'a>(value: &'a Value, at: &str, visit: &mut dyn FnMut(&str, &'a Value)) {
    visit(at, value);
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| walk(value, &format!("{at}/{name}"), visit)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| walk(value, &format!("{at}/{index}"), visit));
        }
        _ => {}
    }
}

#[test]
fn the_document_and_the_routes_are_the_same() {
    let served: BTreeSet<_> =
        ROUTES.iter().map(|route| (route.method.to_owned(), route.path, route.operation_id())).collect();
    let written: BTreeSet<_> = operations()
        .into_iter()
        .map(|(method, path, operation)| (method, path, operation["operationId"].as_str().expect("an operationId")))
        .collect();
    let development: BTreeSet<_> = ROUTES
        .iter()
        .filter(|route| route.development_only)
        .map(|route| (route.method.to_owned(), route.path))
        .collect();
    let marked: BTreeSet<_> = operations()
        .into_iter()
        .filter(|(.., operation)| operation["x-development-only"] == true)
        .map(|(method, path, _)| (method, path))
        .collect();
    assert_eq!(development, marked, "left: served by development servers alone; right: marked so in openapi.yaml");
    let undocumented: Vec<_> = served.difference(&written).collect();
    let unserved: Vec<_> = written.difference(&served).collect();
    assert!(undocumented.is_empty(), "served and not in openapi.yaml: {undocumented:#?}");
    assert!(unserved.is_empty(), "in openapi.yaml and not served: {unserved:#?}");
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let mut seen = BTreeMap::new();
    for (method, path, operation) in operations() {
        let before = seen.insert(operation["operationId"].as_str().expect("an operationId"), (method, path));
        assert_eq!(before, None, "{}", operation["operationId"]);
        assert!(operation["summary"].is_string(), "{path} has no summary");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{path} has one tag");
    }
}

#[test]
fn every_error_is_a_problem_and_every_success_has_one_media_type() {
    for (method, path, operation) in operations() {
        let responses = operation["responses"].as_object().expect("responses");
        let mut media_types = BTreeSet::new();
        for (status, response) in responses {
            let at = format!("{method} {path} {status}");
            let resolved = contract().resolve(response);
            let content = resolved["content"].as_object();
            match status.as_bytes()[0] {
                b'4' | b'5' => {
                    assert!(response["$ref"].is_string(), "{at} is not a named response");
                    let content = content.expect(&at);
                    assert_eq!(content.keys().collect::<Vec<_>>(), ["application/problem+json"], "{at}");
                    assert_eq!(schema_name(&content["application/problem+json"]["schema"]), "Problem", "{at}");
                    let example = &content["application/problem+json"]["example"];
                    assert_eq!(example["status"].to_string(), *status, "{at}");
                    assert_eq!(contract().mismatches("Problem", example), Vec::<String>::new(), "{at}");
                }
                b'2' => media_types.extend(content.into_iter().flat_map(|content| content.keys())),
                _ => assert_eq!(status, "304", "{at}"),
            }
        }
        assert!(media_types.len() <= 1, "{method} {path}: {media_types:?}");
        assert!(responses.contains_key("500"), "{method} {path} can fail");
    }
}

/// What follows from what an operation takes: who has a body can send a bad one, who names something can miss it.
#[test]
fn an_operation_declares_every_error_that_its_shape_brings() {
    for (method, path, operation) in operations() {
        let at = format!("{method} {path}");
        let parameters: Vec<_> =
            operation["parameters"].as_array().into_iter().flatten().map(|entry| contract().resolve(entry)).collect();
        let mut expected = Vec::new();
        if !operation["requestBody"].is_null() {
            expected.extend(["400", "413", "415"]);
        }
        if operation["security"].is_null() {
            expected.extend(["401", "503"]);
        }
        if !FREE.contains(&path) {
            expected.push("429");
        }
        for parameter in &parameters {
            match (parameter["in"].as_str(), parameter["name"].as_str()) {
                (Some("path"), Some(name)) => {
                    assert!(path.contains(&format!("{{{name}}}")), "{at} has no {name}");
                    expected.push("404");
                }
                (Some("query"), _) => expected.push("400"),
                (_, Some("If-Match")) if parameter["required"] == true => expected.extend(["412", "428"]),
                (_, Some("If-Match")) => expected.push("412"),
                (_, Some("Idempotency-Key")) => expected.extend(["400", "409", "422"]),
                (_, Some("If-None-Match")) => expected.push("304"),
                (_, name) => assert_eq!(name, Some("Accept-Language"), "{at}"),
            }
        }
        let named = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
        assert_eq!(named, path.matches('{').count(), "{at} names what its path names");
        for status in expected {
            assert!(operation["responses"][status].is_object(), "{at} does not declare {status}");
        }
    }
}

#[test]
fn every_schema_has_a_name_a_description_and_an_example_that_it_allows() {
    for (name, schema) in schemas() {
        assert!(schema["description"].as_str().is_some_and(|text| !text.trim().is_empty()), "{name}: no description");
        assert!(!schema["example"].is_null(), "{name}: no example");
        assert_eq!(contract().mismatches(name, &schema["example"]), Vec::<String>::new(), "{name}'s example");
    }
    walk(&contract().document["paths"], "", &mut |at, value| {
        if at.ends_with("/schema") {
            assert!(value["$ref"].is_string(), "{at} is not a named schema");
        }
    });
}

#[test]
fn the_shapes_are_those_that_client_generators_can_read() {
    for (name, schema) in schemas() {
        let mut shape = schema.clone();
        if let Some(fields) = shape.as_object_mut() {
            fields.remove("example");
        }
        walk(&shape, "", &mut |at, value| {
            let at = format!("{name}{at}");
            let Some(fields) = value.as_object() else { return };
            // A field may be called like a keyword.
            if at.ends_with("/properties") {
                return;
            }
            let nested = at != *name;
            assert!(!fields.contains_key("nullable"), "{at}: an absent field is an omitted field");
            assert!(!fields.contains_key("additionalProperties"), "{at}: no free-form objects");
            assert!(!fields.contains_key("anyOf"), "{at}: anyOf");
            if let Some(kind) = fields.get("type") {
                assert!(kind.is_string(), "{at}: one type");
                assert!(!(nested && kind == "object"), "{at}: an object without a name");
                // One word alone is what tells the variants of a oneOf apart.
                let words = fields.get("enum").and_then(Value::as_array).map_or(0, Vec::len);
                assert!(!(nested && words > 1), "{at}: words without a name");
                assert!(!(nested && fields.contains_key("x-extensible-enum")), "{at}: words without a name");
                assert!(kind != "object" || fields.contains_key("properties"), "{at}: a free-form object");
            }
            if fields.contains_key("oneOf") {
                let mapping =
                    fields.get("discriminator").and_then(|discriminator| discriminator["mapping"].as_object());
                assert!(mapping.is_some(), "{at}: oneOf without a discriminator and its mapping");
            }
            if let Some(words) = fields.get("x-extensible-enum") {
                let described = fields.get("description").and_then(Value::as_str).unwrap_or_default();
                for word in words.as_array().expect(&at) {
                    let word = word.as_str().expect(&at);
                    assert!(described.contains(&format!("`{word}`")), "{at}: {word} is not explained");
                }
            }
            if fields.contains_key("$ref") {
                assert_eq!(fields.len(), 1, "{at}: whatever stands beside a $ref is ignored");
            }
        });
    }
}

/// The contract is written by hand: whoever adds a provider says in it what its word means.
#[test]
fn every_push_provider_has_its_word_in_the_contract() {
    for name in ["Provider", "Feature"] {
        let schema = &contract().document["components"]["schemas"][name];
        let written = schema["x-extensible-enum"].as_array().expect(name);
        let missing: Vec<_> = CARRIERS
            .iter()
            .map(|carrier| carrier.provider.word)
            .filter(|word| !written.contains(&json!(word)))
            .collect();
        assert!(missing.is_empty(), "openapi.yaml does not name these words of {name}: {missing:?}");
    }
}

#[test]
fn nothing_in_the_document_is_unused_and_every_reference_leads_somewhere() {
    let mut used = BTreeSet::from(
        ["responses/MethodNotAllowed", "schemas/ApnsMessage"].map(|name| format!("#/components/{name}")),
    );
    // What push providers get is nobody's answer.
    used.extend(
        ["ApnsMessage", "ExpoMessage", "FcmRequest", "WebPushMessage"]
            .map(|name| format!("#/components/schemas/{name}")),
    );
    walk(&contract().document, "", &mut |_, value| {
        if let Some(target) = value["$ref"].as_str() {
            contract().resolve(value);
            used.insert(target.to_owned());
        }
    });
    for kind in ["schemas", "parameters", "responses", "headers"] {
        for name in contract().document["components"][kind].as_object().expect(kind).keys() {
            assert!(used.contains(&format!("#/components/{kind}/{name}")), "nobody uses {kind} {name}");
        }
    }
}

#[test]
fn the_command_prints_the_document() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mendline")).arg("openapi").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.trim_end() == TEXT.trim_end(), "something else was printed");
}

#[tokio::test]
async fn the_document_is_served_to_anybody() {
    let app = TestApp::start().await;
    let answer = app.get("/openapi.yaml", "").await;
    assert_eq!(answer.headers["content-type"], "application/yaml");
    assert!(answer.text == *TEXT, "something else was served");
}

/// What a browser does with the page is up to the policy that comes with it: the two hashes are those of what it holds,
/// and nothing may be loaded from anywhere.
#[tokio::test]
async fn the_page_to_try_it_holds_all_that_it_needs() {
    let app = TestApp::start().await;
    let answer = app.get("/docs", "").await;
    let page = answer.text.as_str();
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");

    let element = |open: &str, close: &str| {
        let from = page.find(open).unwrap_or_else(|| panic!("no {open}")) + open.len();
        &page[from..from + page[from..].find(close).expect(close)]
    };
    for (directive, content) in
        [("style", element("<style>", "</style>")), ("script", element("<script>", "</script>"))]
    {
        let hash = base64::engine::general_purpose::STANDARD
            .encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content.as_bytes()));
        assert!(policy.contains(&format!("{directive}-src 'sha256-{hash}';")), "{directive}: {policy}");
        assert!(!content.contains("://"), "the {directive} names an address");
    }
    let document = element("<script type=\"application/json\" id=\"document\">", "</script>");
    assert_eq!(serde_json::from_str::<Value>(document).unwrap(), contract().document);
    for loading in ["src=", "<link", "<img", "@import", "url(", "<iframe", "import("] {
        assert!(!page.replace(document, "").contains(loading), "{loading}");
    }
}

#[tokio::test]
#[should_panic(expected = "openapi.yaml does not allow this")]
async fn an_answer_that_the_document_does_not_know_fails_the_test_that_saw_it() {
    let app = TestApp::start().await;
    crate::support::contract::assert_kept(&crate::support::contract::Exchange {
        method: &reqwest::Method::GET,
        url: &app.url("/healthz").parse().unwrap(),
        sent: None,
        status: reqwest::StatusCode::OK,
        headers: &[("content-type".parse().unwrap(), "application/json".parse().unwrap())].into_iter().collect(),
        text: r#"{"status":"ok","mood":"fine"}"#,
    });
}
