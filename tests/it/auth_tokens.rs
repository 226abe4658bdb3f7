//! Access tokens that must not be believed, each over HTTP. The forger has a key of its own and everything that is
//! public; where a test says so it even has the server's signing key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use mendline::auth::keys::Keys;
use mendline::auth::token::Tokens;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::people::Person;

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn claims_of(token: &str) -> Value {
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

fn header_of(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap()
}

/// Signed with the server's own key, whatever it says.
fn signed(app: &TestApp, header: impl FnOnce(&mut Header), claims: &Value) -> String {
    let key = &app.state.keys.signing()[0];
    let mut head = Header::new(key.algorithm());
    head.typ = Some("at+jwt".to_owned());
    head.kid = Some(key.kid().to_owned());
    header(&mut head);
    encode(&head, claims, key.encoding()).unwrap()
}

/// These very texts, signed.
fn raw(header: &str, claims: &str, key: &EncodingKey) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    format!("{message}.{}", jsonwebtoken::crypto::sign(message.as_bytes(), key, Algorithm::EdDSA).unwrap())
}

async fn assert_refused(app: &TestApp, what: &str, token: &str) {
    let answer = app.get("/v1/me", token).await;
    assert_eq!(answer.status, 401, "{what}: {}", answer.text);
    assert_eq!(answer.headers["www-authenticate"], "Bearer", "{what}");
    assert_eq!(answer.problem(401), "unauthenticated", "{what}");
}

async fn start() -> (TestApp, Person, Value) {
    let app = TestApp::start().await;
    let person = app.clinic().await.admin;
    let claims = claims_of(&person.token);
    (app, person, claims)
}

#[tokio::test]
async fn a_token_names_key_and_type_and_carries_no_personal_data() {
    let (app, person, claims) = start().await;
    let header = header_of(&person.token);
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("EdDSA")));
    let jwks = app.get("/.well-known/jwks.json", "").await.expect(200);
    assert_eq!(jwks["keys"][0]["kid"], header["kid"]);
    assert!(jwks["keys"].as_array().unwrap().iter().all(|key| key.get("d").is_none()), "only public halves");
    let mut names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["aud", "clinic", "exp", "iat", "iau", "iss", "mid", "role", "sid", "sub"]);
    assert!(person.token.len() < 1024);
}

#[tokio::test]
async fn unsigned_and_foreign_signatures_are_refused() {
    let (app, person, claims) = start().await;
    let kid = header_of(&person.token)["kid"].clone();
    for alg in ["none", "None", "NONE"] {
        let header = part(&json!({ "typ": "at+jwt", "alg": alg, "kid": kid }));
        assert_refused(&app, "alg none", &format!("{header}.{}.", part(&claims))).await;
    }
    // The public key as if it were a shared secret.
    let jwks = app.get("/.well-known/jwks.json", "").await.expect(200);
    let public = URL_SAFE_NO_PAD.decode(jwks["keys"][0]["x"].as_str().unwrap()).unwrap();
    for secret in [public, jwks["keys"][0]["x"].as_str().unwrap().as_bytes().to_vec()] {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = kid.as_str().map(str::to_owned);
        let token = encode(&header, &claims, &EncodingKey::from_secret(&secret)).unwrap();
        assert_refused(&app, "HS256 with the public key", &token).await;
    }
    let (body, signature) = person.token.rsplit_once('.').unwrap();
    let mut bent = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bent[10] ^= 1;
    assert_refused(&app, "bent signature", &format!("{body}.{}", URL_SAFE_NO_PAD.encode(bent))).await;
    assert_refused(&app, "no signature", body).await;
    let mut promoted = claims.clone();
    promoted["sub"] = json!("00000000-0000-0000-0000-000000000001");
    let parts: Vec<_> = person.token.split('.').collect();
    assert_refused(&app, "other claims", &format!("{}.{}.{}", parts[0], part(&promoted), parts[2])).await;
}

#[tokio::test]
async fn keys_that_are_not_ours_are_refused_even_under_our_names() {
    let (app, person, claims) = start().await;
    let other = TestApp::start().await;
    let foreign = &other.state.keys.signing()[0];
    for kid in [foreign.kid(), header_of(&person.token)["kid"].as_str().unwrap(), "", "../../etc/passwd"] {
        let mut header = Header::new(foreign.algorithm());
        header.typ = Some("at+jwt".to_owned());
        header.kid = Some(kid.to_owned());
        assert_refused(&app, "foreign key", &encode(&header, &claims, foreign.encoding()).unwrap()).await;
    }
    assert_refused(&app, "no kid", &signed(&app, |header| header.kid = None, &claims)).await;
    let inline = |header: &mut Header| {
        header.kid = Some("theirs".to_owned());
        header.jku = Some("https://attacker.example/jwks.json".to_owned());
    };
    assert_refused(&app, "a key by URL", &signed(&app, inline, &claims)).await;
}

#[tokio::test]
async fn claims_that_do_not_fit_are_refused_even_if_signed_by_us() {
    let (app, _, claims) = start().await;
    app.get("/v1/me", &signed(&app, |_| {}, &claims)).await.expect(200);
    let now = app.state.clocks.wall.now();
    let at = |minutes: i64| {
        let at = now + TimeDelta::minutes(minutes);
        json!({ "iat": at.timestamp(), "iau": at.timestamp_micros(), "exp": (at + TimeDelta::minutes(15)).timestamp() })
    };
    let changed = |changes: Value| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        claims
    };
    for (what, claims) in [
        ("expired", changed(at(-16))),
        ("from the future", changed(at(2))),
        ("not to be used yet", changed(json!({ "nbf": (now + TimeDelta::minutes(5)).timestamp() }))),
        ("usable from a moment that is none", changed(json!({ "nbf": "now" }))),
        ("several audiences' issuer", changed(json!({ "iss": [claims["iss"], "https://attacker.example"] }))),
        ("limited in no known way", changed(json!({ "limited": "somewhat" }))),
        ("good for too long", changed(json!({ "exp": (now + TimeDelta::days(1)).timestamp() }))),
        ("two issue times", changed(json!({ "iau": (now - TimeDelta::minutes(5)).timestamp_micros() }))),
        ("other audience", changed(json!({ "aud": "somebody-else" }))),
        ("other issuer", changed(json!({ "iss": "https://attacker.example" }))),
        ("unknown role", changed(json!({ "role": "superuser" }))),
        ("no uuid", changed(json!({ "sub": "admin" }))),
        ("an expiry that is no number", changed(json!({ "exp": "soon" }))),
    ] {
        assert_refused(&app, what, &signed(&app, |_| {}, &claims)).await;
    }
    for claim in ["iss", "aud", "sub", "sid", "clinic", "mid", "role", "iat", "exp", "iau"] {
        let mut without = claims.clone();
        without.as_object_mut().unwrap().remove(claim);
        assert_refused(&app, claim, &signed(&app, |_| {}, &without)).await;
    }
    for typ in [None, Some("JWT"), Some("refresh+jwt")] {
        let header = |header: &mut Header| header.typ = typ.map(str::to_owned);
        assert_refused(&app, "type", &signed(&app, header, &claims)).await;
    }
}

/// A key that a token brings along, or says where to fetch, is nobody's.
#[tokio::test]
async fn a_token_does_not_choose_its_key() {
    let (app, person, claims) = start().await;
    let other = TestApp::start().await;
    let foreign = &other.state.keys.signing()[0];
    let ours = header_of(&person.token)["kid"].clone();
    let jwk = serde_json::to_value(foreign.jwk()).unwrap();
    for named in [
        json!({ "jwk": jwk }),
        json!({ "jku": "https://attacker.example/jwks.json" }),
        json!({ "x5u": "https://attacker.example/chain.pem" }),
        json!({ "x5c": ["MIIB"], "x5t": "AAAA" }),
        json!({ "crit": ["b64"], "b64": false }),
    ] {
        for kid in [&ours, &json!(foreign.kid())] {
            let mut header = named.clone();
            header["typ"] = json!("at+jwt");
            header["alg"] = json!("EdDSA");
            header["kid"] = kid.clone();
            let signed = raw(&header.to_string(), &claims.to_string(), foreign.encoding());
            assert_refused(&app, &header.to_string(), &signed).await;
        }
    }
}

/// Two parsers that disagree about which of two values counts are a hole.
#[tokio::test]
async fn what_stands_twice_in_a_token_is_refused_even_if_signed_by_us() {
    let (app, person, claims) = start().await;
    let key = &app.state.keys.signing()[0];
    let (header, claims) = (header_of(&person.token).to_string(), claims.to_string());
    app.get("/v1/me", &raw(&header, &claims, key.encoding())).await.expect(200);
    let twice = |text: &str, field: &str| text.replacen('{', &format!("{{{field},"), 1);
    for field in [
        r#""sub":"00000000-0000-0000-0000-000000000001""#,
        r#""role":"administrator""#,
        r#""exp":4102444800"#,
        r#""aud":"mendline""#,
        r#""iss":"https://attacker.example""#,
    ] {
        assert_refused(&app, field, &raw(&header, &twice(&claims, field), key.encoding())).await;
    }
    for field in [r#""alg":"EdDSA""#, r#""kid":"theirs""#, r#""typ":"JWT""#] {
        assert_refused(&app, field, &raw(&twice(&header, field), &claims, key.encoding())).await;
    }
}

/// Keys rotate with overlap: what was signed with the one before goes on being believed, what was signed with one that is
/// gone does not.
#[tokio::test]
async fn a_token_outlives_one_rotation_of_the_key_that_signed_it() {
    let app = TestApp::start().await;
    let person = app.clinic().await.admin;
    let wall = &app.state.clocks.wall;
    let verified = app.state.auth.tokens.verify(&person.token, wall.now()).unwrap();
    let mut pem = std::fs::read_to_string(app.config.data_dir.join("keys/token.pem")).unwrap();
    for (rotations, believed) in [(1, true), (2, false)] {
        pem = mendline::auth::keys::rotate(&pem).unwrap().expose_secret().to_owned();
        let dir = tempfile::tempdir().unwrap();
        let vars = [("MENDLINE_DATA_DIR", dir.path().to_str().unwrap()), ("MENDLINE_TOKEN_KEY", pem.as_str())];
        let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = mendline::config::Config::read(mendline::config::Vars::from_map(vars.into())).unwrap();
        let tokens = Tokens::new(Keys::load(&config).unwrap(), &app.state.public_url);
        assert_eq!(tokens.verify(&person.token, wall.now()).is_ok(), believed, "after {rotations}");
        let signed = tokens.issue(&verified.caller, wall.now()).unwrap();
        assert!(tokens.verify(&signed, wall.now()).is_ok());
    }
}

#[tokio::test]
async fn oversized_and_mangled_headers_are_refused() {
    let (app, person, claims) = start().await;
    let mut fat = claims.clone();
    fat["padding"] = json!("x".repeat(4000));
    assert_refused(&app, "oversized", &signed(&app, |_| {}, &fat)).await;
    for mangled in ["a", "a.b", "a.b.c", "a.b.c.d", "...", "%%%.%%%.%%%", "eyJ9.e30.e30"] {
        assert_refused(&app, mangled, mangled).await;
    }
    let raw = async |values: &[String]| {
        let mut request = app.request(reqwest::Method::GET, "/v1/me", "");
        for value in values {
            request = request.header("authorization", value);
        }
        crate::support::send(request).await.status.as_u16()
    };
    let good = format!("bearer {}", person.token);
    assert_eq!(raw(std::slice::from_ref(&good)).await, 200, "schemes know no case");
    assert_eq!(raw(&[good.clone(), good]).await, 401, "two headers");
    assert_eq!(raw(std::slice::from_ref(&person.token)).await, 401, "no scheme");
    assert_eq!(raw(&[format!("Basic {}", person.token)]).await, 401);
    assert_eq!(raw(&["Bearer".to_owned()]).await, 401);
    assert_eq!(raw(&[]).await, 401);
}
