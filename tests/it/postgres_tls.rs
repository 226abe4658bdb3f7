//! TLS to a real Postgres, by `sslmode`.

use diesel::sql_types::Bool;
use diesel_async::RunQueryDsl;
use mendline::db::Connector;
use secrecy::SecretString;

use crate::support::tls_server::{NAME, TlsServer};

#[derive(diesel::QueryableByName)]
struct Session {
    #[diesel(sql_type = Bool)]
    ssl: bool,
}

/// Whether the server sees the session encrypted; else why there is none.
async fn encrypted(url: &SecretString, extra_ca: Option<&str>) -> Result<bool, String> {
    let mut conn = Connector::new(url, extra_ca).unwrap().open().await.map_err(|error| error.to_string())?;
    let session = diesel::sql_query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    Ok(session.get_result::<Session>(&mut conn).await.unwrap().ssl)
}

#[tokio::test]
async fn every_mode_but_disable_encrypts_to_a_server_whose_root_is_known() {
    let Some(server) = TlsServer::start("tls-modes").await else { return };
    for (parameters, ssl) in [
        ("", true),
        ("&sslmode=prefer", true),
        ("&sslmode=require", true),
        ("&sslmode=verify-full", true),
        ("&sslmode=disable", false),
    ] {
        assert_eq!(encrypted(&server.url(NAME, parameters), Some(&server.root)).await, Ok(ssl), "{parameters}");
    }
}

#[tokio::test]
async fn a_server_whose_root_is_unknown_is_refused_with_what_to_do_unless_nothing_is_encrypted() {
    let Some(server) = TlsServer::start("tls-unknown").await else { return };
    for parameters in ["", "&sslmode=prefer", "&sslmode=require", "&sslmode=verify-full"] {
        let refused = encrypted(&server.url(NAME, parameters), None).await.unwrap_err();
        assert!(refused.contains("UnknownIssuer"), "{parameters}: {refused}");
        assert!(
            refused.contains("MENDLINE_EXTRA_CA") && refused.contains("sslmode=disable"),
            "{parameters}: {refused}"
        );
    }
    assert_eq!(encrypted(&server.url(NAME, "&sslmode=disable"), None).await, Ok(false));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_with_what_to_do() {
    let Some(server) = TlsServer::start("tls-name").await else { return };
    let refused = encrypted(&server.url("other.example", "&sslmode=require"), Some(&server.root)).await.unwrap_err();
    assert!(refused.contains(NAME) && refused.contains("connect by a name that the certificate holds"), "{refused}");
}
