//! A Google service account: the JSON file from the console, and the assertion signed with its key (RFC 7523).

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use url::Url;

/// The one permission that sending needs.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const DEFAULT_TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// Google's limit for an assertion.
const ASSERTION_LIFETIME: TimeDelta = TimeDelta::hours(1);

/// Why a text is no service account. It never repeats any of the text: a private key is in there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// Not JSON, or a field is missing.
    #[error("not a service account's JSON (project_id, client_email, private_key_id and private_key are needed)")]
    Json,
    /// JSON of another kind of Google credentials.
    #[error("these are credentials of another type than service_account")]
    Type,
    /// The project's id could not stand in a URL.
    #[error("project_id is not a project id")]
    ProjectId,
    /// The private key cannot be read.
    #[error("private_key is not an RSA key in PEM")]
    PrivateKey,
    /// The token URI is no URL.
    #[error("token_uri is not an http or https URL")]
    TokenUri,
}

/// Who we are to Google.
#[derive(Clone)]
pub struct ServiceAccount {
    project_id: String,
    client_email: String,
    key_id: String,
    key: EncodingKey,
    token_uri: Url,
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount").field("project_id", &self.project_id).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: Option<String>,
    project_id: String,
    client_email: String,
    private_key_id: String,
    private_key: String,
    token_uri: Option<String>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

impl ServiceAccount {
    /// Reads the JSON file's text. `token_uri` is honoured: that is how an emulator takes the place of Google.
    pub fn from_json(text: &str) -> Result<Self, CredentialsError> {
        let file: File = serde_json::from_str(text).map_err(|_secret| CredentialsError::Json)?;
        if file.kind.is_some_and(|kind| kind != "service_account") {
            return Err(CredentialsError::Type);
        }
        // Ids may be of the form `example.org:project`.
        let in_id = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
        if file.project_id.is_empty() || file.project_id.starts_with('.') || !file.project_id.bytes().all(in_id) {
            return Err(CredentialsError::ProjectId);
        }
        let key =
            EncodingKey::from_rsa_pem(file.private_key.as_bytes()).map_err(|_secret| CredentialsError::PrivateKey)?;
        let token_uri = file.token_uri.as_deref().unwrap_or(DEFAULT_TOKEN_URI);
        let token_uri = Url::parse(token_uri).map_err(|_opaque| CredentialsError::TokenUri)?;
        if !matches!(token_uri.scheme(), "http" | "https") {
            return Err(CredentialsError::TokenUri);
        }
        let account = Self {
            project_id: file.project_id,
            client_email: file.client_email,
            key_id: file.private_key_id,
            key,
            token_uri,
        };
        // A key that cannot sign is better noticed at the start than with the first alert.
        account.assertion(DateTime::UNIX_EPOCH)?;
        Ok(account)
    }

    /// The Firebase project.
    pub fn project_id(&self) -> &str {
        &self.project_id
    }

    /// Where tokens come from.
    pub fn token_uri(&self) -> &Url {
        &self.token_uri
    }

    /// A signed request for a token, good for an hour from `now`.
    pub(super) fn assertion(&self, now: DateTime<Utc>) -> Result<String, CredentialsError> {
        let header = Header { kid: Some(self.key_id.clone()), ..Header::new(Algorithm::RS256) };
        let claims = Claims {
            iss: &self.client_email,
            scope: SCOPE,
            aud: self.token_uri.as_str(),
            iat: now.timestamp(),
            exp: (now + ASSERTION_LIFETIME).timestamp(),
        };
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(|_secret| CredentialsError::PrivateKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(value: &serde_json::Value) -> CredentialsError {
        ServiceAccount::from_json(&value.to_string()).unwrap_err()
    }

    #[test]
    fn what_is_not_a_service_account_is_told_apart_without_repeating_it() {
        let file = json!({"type": "service_account", "project_id": "p", "client_email": "e", "private_key_id": "k",
            "private_key": "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"});
        assert_eq!(refused(&json!({"project_id": "p"})), CredentialsError::Json);
        assert_eq!(ServiceAccount::from_json("/no/such/file").unwrap_err(), CredentialsError::Json);
        assert_eq!(refused(&file), CredentialsError::PrivateKey);
        let mut user = file.clone();
        user["type"] = "authorized_user".into();
        assert_eq!(refused(&user), CredentialsError::Type);
        for id in ["", "a/b", "../x", "a b", "ü"] {
            let mut other = file.clone();
            other["project_id"] = id.into();
            assert_eq!(refused(&other), CredentialsError::ProjectId, "{id}");
        }
    }
}
