//! Access tokens that must not be believed, each over HTTP. The forger has a key of its own and everything that is
//! public; where a test says so it even has the server's signing key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
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
