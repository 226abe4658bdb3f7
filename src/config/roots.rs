//! The operator's own root certificates.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Reads a PEM text; the fault where it does not hold certificates that can be roots, and nothing else will do.
pub fn parse(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let certificates = certificates.map_err(|error| format!("is not PEM: {error}"))?;
    if certificates.is_empty() {
        return Err("holds no certificate (BEGIN CERTIFICATE)".to_owned());
    }
    let mut store = RootCertStore::empty();
    for (place, certificate) in certificates.iter().enumerate() {
        let added = store.add(certificate.clone());
        added.map_err(|error| format!("certificate {} cannot be a root: {error}", place + 1))?;
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_read_and_anything_else_is_a_fault() {
        let key = rcgen::KeyPair::generate().unwrap();
        let root = rcgen::CertificateParams::new(vec!["db.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        assert_eq!(parse(&format!("{}{}", root.pem(), root.pem())).unwrap().len(), 2);
        let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let cut = &root.pem()[..200];
        for pem in ["", "no PEM at all", &key.serialize_pem(), empty, cut, &format!("{}{empty}", root.pem())] {
            assert!(parse(pem).is_err(), "{pem}");
        }
    }
}
