//! TLS for outgoing connections: the system's root certificates and the operator's own.
//! The system's are read once per process. Left to itself, each client would read and parse them again, and would not
//! be built at all on a machine that has none, not even for plain http.

use std::sync::{Arc, OnceLock};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::HttpClientError;

static SYSTEM_ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();

fn system_roots() -> Arc<RootCertStore> {
    let load = || {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (added, unreadable) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            tracing::warn!(
                errors = found.errors.len(),
                unreadable,
                "this machine has no root certificates: https will fail (Debian: install ca-certificates)"
            );
        }
        Arc::new(roots)
    };
    SYSTEM_ROOTS.get_or_init(load).clone()
}

/// Trusts the system's roots and those in `extra_ca` (PEM); speaks HTTP/2 or 1.1, as the server likes.
pub(super) fn client_config(extra_ca: Option<&str>, http2_only: bool) -> Result<ClientConfig, HttpClientError> {
    let mut roots = system_roots();
    if let Some(pem) = extra_ca {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|_opaque| HttpClientError::ExtraCa)?;
        if certificates.is_empty() {
            return Err(HttpClientError::ExtraCa);
        }
        let store = Arc::make_mut(&mut roots);
        for certificate in certificates {
            store.add(certificate).map_err(|_opaque| HttpClientError::ExtraCa)?;
        }
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(HttpClientError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    if !http2_only {
        config.alpn_protocols.push(b"http/1.1".to_vec());
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_roots_must_be_certificates() {
        for pem in ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(client_config(Some(pem), false).is_err(), "{pem}");
        }
    }

    #[test]
    fn http2_is_offered_first_and_alone_where_nothing_else_will_do() {
        let offered = |http2_only| client_config(None, http2_only).unwrap().alpn_protocols;
        assert_eq!(offered(false), [b"h2".as_slice(), b"http/1.1"]);
        assert_eq!(offered(true), [b"h2".as_slice()]);
    }
}
