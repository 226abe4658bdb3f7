//! The HTTP contract as the tests see it: openapi.yaml read once, and every exchange with the API held to it.
//!
//! An answer must have a status that its operation declares, the declared media type, a body that its schema allows and
//! the declared headers. A request that was accepted must be one that the document allows. Objects are closed here: a
//! field that the document does not know is a fault of the document.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use jsonschema::{Draft, ValidatorMap};
use mendline::app::{ROUTES, Route};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde_json::{Map, Value, json};

/// The document at the repository's root.
pub static TEXT: LazyLock<String> = LazyLock::new(|| {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.yaml")).expect("openapi.yaml")
});

static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::read);

/// Response headers that are part of the contract: an answer has exactly those of them that are declared.
const HEADERS: &[&str] = &["etag", "location", "content-language", "retry-after", "www-authenticate", "allow"];

/// The document, parsed and compiled.
pub struct Contract {
    /// The document itself.
    pub document: Value,
    validators: ValidatorMap,
}

/// One request and what came back.
pub struct Exchange<'a> {
    pub method: &'a Method,
    pub url: &'a Url,
    /// The request's body, where there is one and it is JSON.
    pub sent: Option<Value>,
    pub status: StatusCode,
    pub headers: &'a HeaderMap,
    pub text: &'a str,
}

/// The contract.
pub fn contract() -> &'static Contract {
    &CONTRACT
}

/// Panics with everything that is wrong with the exchange.
#[track_caller]
pub fn assert_kept(exchange: &Exchange<'_>) {
    let faults = contract().faults(exchange);
    if !faults.is_empty() {
        let Exchange { method, url, status, text, .. } = exchange;
        let list = faults.iter().fold(String::new(), |mut list, fault| {
            let _ = write!(list, "\n  - {fault}");
            list
        });
        panic!("openapi.yaml does not allow this: {method} {} -> {status}{list}\n{text}", url.path());
    }
}

/// Panics unless `value` is what the document calls `schema`.
#[track_caller]
pub fn assert_is(schema: &str, value: &Value) {
    let faults = contract().mismatches(schema, value);
    assert!(faults.is_empty(), "openapi.yaml's {schema} is not {value:#}:\n  {}", faults.join("\n  "));
}

/// The route that serves a path, as the server picks it: the first pattern that fits. `None`: no pattern fits.
pub fn route(method: &str, path: &str) -> Option<Result<Route, &'static str>> {
    let mut fitting = ROUTES.iter().filter(|route| fits(route.path, path));
    let pattern = fitting.clone().next()?.path;
    Some(fitting.find(|route| route.path == pattern && route.method == method).copied().ok_or(pattern))
}

fn fits(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given || (wanted.starts_with('{') && !given.is_empty()) => {}
            _ => return false,
        }
    }
}

impl Contract {
    fn read() -> Self {
        let document: Value = serde_saphyr::from_str(&TEXT).expect("openapi.yaml is YAML");
        let schemas = document["components"]["schemas"].as_object().expect("schemas");
        let closed: Map<_, _> = schemas.iter().map(|(name, schema)| (name.clone(), strict(schema))).collect();
        let root = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": closed });
        let validators = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .build_map(&root)
            .expect("the document's schemas are schemas");
        Self { document, validators }
    }

    /// What a `$ref` points to; anything else is itself.
    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(target) => self.document.pointer(target.trim_start_matches('#')).expect(target),
            None => value,
        }
    }

    /// The operation behind a method and a path pattern.
    pub fn operation(&self, method: &str, pattern: &str) -> &Value {
        &self.document["paths"][pattern][method.to_ascii_lowercase()]
    }

    /// How `value` differs from the schema of this name.
    pub fn mismatches(&self, schema: &str, value: &Value) -> Vec<String> {
        let validator = self.validators.get(&format!("#/$defs/{schema}"));
        let Some(validator) = validator else { return vec![format!("there is no schema {schema}")] };
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    fn faults(&self, exchange: &Exchange<'_>) -> Vec<String> {
        let responses = &self.document["components"]["responses"];
        // What answers HEAD is what answers GET, less the body.
        let method = if exchange.method == "HEAD" { "GET" } else { exchange.method.as_str() };
        let operation = match route(method, exchange.url.path()) {
            None => return self.response_faults(exchange, 404, &responses["NotFound"]),
            Some(Err(_)) => return self.response_faults(exchange, 405, &responses["MethodNotAllowed"]),
            Some(Ok(route)) => self.operation(route.method, route.path),
        };
        if operation.is_null() {
            return vec!["the operation is not in the document".to_owned()];
        }
        let status = exchange.status.as_u16();
        let declared = &operation["responses"][status.to_string()];
        if declared.is_null() {
            return vec![format!("{} does not declare {status}", operation["operationId"])];
        }
        let mut faults = self.response_faults(exchange, status, self.resolve(declared));
        if exchange.status.is_success() {
            faults.extend(self.request_faults(exchange, operation));
        }
        faults
    }

    fn response_faults(&self, exchange: &Exchange<'_>, status: u16, response: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        if exchange.status.as_u16() != status {
            faults.push(format!("the path or its method is not in the route table: {status} is the answer to that"));
        }
        for name in HEADERS {
            let declared = response["headers"].as_object().into_iter().flatten();
            let declared = declared.into_iter().any(|(header, _)| header.eq_ignore_ascii_case(name));
            let there = exchange.headers.contains_key(*name);
            if declared != there {
                faults.push(format!("the header {name} is {}", if there { "not declared" } else { "missing" }));
            }
        }
        match response["content"].as_object() {
            None if exchange.text.is_empty() => {}
            Some(_) if exchange.method == "HEAD" && exchange.text.is_empty() => {}
            None => faults.push("the answer has a body, and none is declared".to_owned()),
            Some(content) => faults.extend(self.body_faults(exchange, content)),
        }
        faults
    }

    fn body_faults(&self, exchange: &Exchange<'_>, content: &Map<String, Value>) -> Vec<String> {
        let media_type = exchange.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        let Some(declared) = content.get(essence) else {
            return vec![format!("the media type {media_type:?} is not declared")];
        };
        let body = if essence.ends_with("json") {
            match serde_json::from_str(exchange.text) {
                Ok(body) => body,
                Err(error) => return vec![format!("the body is not JSON: {error}")],
            }
        } else {
            Value::from(exchange.text)
        };
        self.mismatches(schema_name(&declared["schema"]), &body)
    }

    fn request_faults(&self, exchange: &Exchange<'_>, operation: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        let parameters: Vec<_> =
            operation["parameters"].as_array().into_iter().flatten().map(|parameter| self.resolve(parameter)).collect();
        for (name, _) in exchange.url.query_pairs() {
            if !parameters.iter().any(|parameter| parameter["in"] == "query" && parameter["name"] == *name) {
                faults.push(format!("the query parameter {name} was accepted and is not declared"));
            }
        }
        let taken = &operation["requestBody"]["content"];
        let json = &taken["application/json"]["schema"];
        let declared = if json.is_null() { &taken["application/x-www-form-urlencoded"]["schema"] } else { json };
        match &exchange.sent {
            None if operation["requestBody"]["required"] == true => {
                faults.push("a request without a body was accepted, and one is required".to_owned());
            }
            // What an operation without a body is sent all the same is not read.
            None => {}
            Some(_) if declared.is_null() => {}
            // Of a batch, single entries may have been refused.
            Some(_) if exchange.text.contains(r#""status":"rejected""#) => {}
            Some(sent) => {
                let wrong = self.mismatches(schema_name(declared), &without_nulls(sent));
                faults.extend(wrong.into_iter().map(|fault| format!("accepted request: {fault}")));
            }
        }
        faults
    }
}

/// What is left of a request where `null` counts as absent, as the server has it.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let there = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(there.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// The name of a schema that is referred to.
pub fn schema_name(schema: &Value) -> &str {
    let target = schema["$ref"].as_str().unwrap_or_default();
    target.strip_prefix("#/components/schemas/").unwrap_or(target)
}

/// An OpenAPI 3.0 schema as JSON Schema: references into `$defs`, objects closed, words of open lists taken as the only
/// ones, since what the server sends today must stand in the list.
fn strict(schema: &Value) -> Value {
    match schema {
        Value::Array(parts) => parts.iter().map(strict).collect(),
        Value::Object(fields) => {
            let mut out: Map<String, Value> = Map::new();
            for (name, value) in fields {
                match name.as_str() {
                    "example" | "description" | "discriminator" => {}
                    "x-extensible-enum" => drop(out.insert("enum".to_owned(), value.clone())),
                    "$ref" => {
                        let target = format!("#/$defs/{}", schema_name(schema));
                        out.insert("$ref".to_owned(), target.into());
                    }
                    // The names in here are fields, not keywords.
                    "properties" => {
                        let properties = value.as_object().expect("properties");
                        let strict: BTreeMap<_, _> =
                            properties.iter().map(|(name, value)| (name, strict(value))).collect();
                        out.insert("properties".to_owned(), json!(strict));
                    }
                    // As in the document; 3.0's numbers and 2020-12's mean the same.
                    "required" | "enum" => drop(out.insert(name.clone(), value.clone())),
                    _ => drop(out.insert(name.clone(), strict(value))),
                }
            }
            if fields.get("type").is_some_and(|kind| kind == "object") {
                out.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            Value::Object(out)
        }
        other => other.clone(),
    }
}
