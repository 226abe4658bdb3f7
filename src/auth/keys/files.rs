//! Where keys come from and how they are made: given by the operator, or generated into the data directory and kept
//! there (development only; production was refused without keys before anything reached this file).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::Context;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use pem::Pem;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::signing;
use crate::config::Config;

/// The least that the master secret must hold, in bytes.
const SECRET_BYTES: usize = 32;

/// A complete set of fresh keys, as text.
#[derive(Debug)]
pub struct Made {
    /// PEM: the signing key, and the one that will sign after the next rotation.
    pub token: SecretString,
    /// The master secret, base64.
    pub secret: SecretString,
    /// PEM: the P-256 key for Web Push.
    pub vapid: SecretString,
}

/// Makes a complete set of fresh keys.
pub fn make() -> anyhow::Result<Made> {
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    aws_lc_rs::rand::fill(&mut *secret).context("asking for randomness")?;
    Ok(Made {
        token: SecretString::from(pem::encode_many(&[fresh_signing_key()?, fresh_signing_key()?])),
        secret: SecretString::from(STANDARD_NO_PAD.encode(secret.as_slice())),
        vapid: SecretString::from(pem::encode(&fresh_vapid_key()?)),
    })
}

fn fresh_signing_key() -> anyhow::Result<Pem> {
    let pair = Ed25519KeyPair::generate().context("generating an Ed25519 key")?;
    let pkcs8 = pair.to_pkcs8v1().context("writing an Ed25519 key")?;
    Ok(Pem::new("PRIVATE KEY", pkcs8.as_ref()))
}

fn fresh_vapid_key() -> anyhow::Result<Pem> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).context("generating a P-256 key")?;
    let pkcs8 = pair.to_pkcs8v1().context("writing a P-256 key")?;
    Ok(Pem::new("PRIVATE KEY", pkcs8.as_ref()))
}

/// A VAPID key text with a new key in front of those that it holds.
pub fn precede_vapid(vapid: &str) -> anyhow::Result<SecretString> {
    let old: Vec<Pem> = pem::parse_many(vapid).context("reading the keys")?;
    anyhow::ensure!(!old.is_empty(), "holds no private key");
    Ok(SecretString::from(pem::encode_many(&[vec![fresh_vapid_key()?], old].concat())))
}

/// The next generation of a token key text: `[signing, next, previous]`.
///
/// What signs from now on has been known to every node since the last rotation, and what signed until now still
/// verifies, so that neither a rolling restart nor a token in flight is refused.
pub fn rotate(token: &str) -> anyhow::Result<SecretString> {
    signing::parse(token)?;
    let old: Vec<Pem> = pem::parse_many(token).context("reading the keys")?;
    let mut old = old.into_iter().filter(|block| block.tag() != "EC PARAMETERS");
    let kept: Vec<Pem> = match (old.next(), old.next()) {
        (Some(signing), Some(next)) => vec![next, fresh_signing_key()?, signing],
        // A single key: publish a second one first, it signs from the next rotation on.
        (Some(signing), None) => vec![signing, fresh_signing_key()?],
        (None, _) => anyhow::bail!("holds no private key"),
    };
    Ok(SecretString::from(pem::encode_many(&kept)))
}

/// All keys as text, wherever they came from.
pub struct Material {
    pub token: SecretString,
    pub secret: SecretString,
    pub vapid: SecretString,
}

/// The text of a file in a directory, or what takes its place where there is none.
type Missing = fn(&Path, &str, SecretString) -> io::Result<SecretString>;

impl Material {
    /// What is given and kept; what is missing is made and kept.
    pub fn load(config: &Config) -> anyhow::Result<Self> {
        Self::gather(config, keep)
    }

    /// The same for a look around: what is missing is made up and not kept.
    pub fn look(config: &Config) -> anyhow::Result<Self> {
        Self::gather(config, |dir, name, fresh| Ok(read(&dir.join(name))?.unwrap_or(fresh)))
    }

    fn gather(config: &Config, missing: Missing) -> anyhow::Result<Self> {
        let given = (config.keys.token.clone(), config.keys.secret.clone(), config.keys.vapid.clone());
        if let (Some(token), Some(secret), Some(vapid)) = given {
            return Ok(Self { token, secret, vapid });
        }
        anyhow::ensure!(!config.is_production(), "production does not generate keys");
        let dir = config.data_dir.join("keys");
        let kept = |given, name, fresh: SecretString| match given {
            Some(given) => Ok(given),
            None => missing(&dir, name, fresh).with_context(|| format!("{}/{name}", dir.display())),
        };
        let fresh = make()?;
        Ok(Self {
            token: kept(given.0, "token.pem", fresh.token)?,
            secret: kept(given.1, "secret", fresh.secret)?,
            vapid: kept(given.2, "vapid.pem", fresh.vapid)?,
        })
    }
}

/// What the file holds; `fresh` is written to it first if there is none. Of two processes at once, one wins.
fn keep(dir: &Path, name: &str, fresh: SecretString) -> io::Result<SecretString> {
    let path = dir.join(name);
    if let Some(text) = read(&path)? {
        return Ok(text);
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let draft = dir.join(format!(".{name}.{}", std::process::id()));
    write_private(&draft, fresh.expose_secret())?;
    // A link either makes the whole file appear or fails because it is there already.
    let linked = fs::hard_link(&draft, &path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => read(&path)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)),
    }
}

fn read(path: &Path) -> io::Result<Option<SecretString>> {
    let mut text = String::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(SecretString::from(text)))
}

/// Writes a file that only its owner may read.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The master secret's bytes: base64 of either alphabet, padded or not.
pub fn decode_secret(text: &str) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let plain = Zeroizing::new(text.trim().trim_end_matches('=').replace('-', "+").replace('_', "/"));
    let bytes = STANDARD_NO_PAD.decode(plain.as_bytes()).map(Zeroizing::new);
    let bytes = bytes.context("MENDLINE_SECRET_KEY: is not base64")?;
    anyhow::ensure!(bytes.len() >= SECRET_BYTES, "MENDLINE_SECRET_KEY: holds fewer than {SECRET_BYTES} bytes");
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::Vars;

    fn config(dir: &Path) -> Config {
        let vars = [("MENDLINE_DATA_DIR".to_owned(), dir.display().to_string())];
        Config::read(Vars::from_map(vars.into())).unwrap()
    }

    fn kids(token: &SecretString) -> Vec<String> {
        signing::parse(token.expose_secret()).unwrap().iter().map(|key| key.kid().to_owned()).collect()
    }

    #[test]
    fn a_look_finds_what_is_kept_and_keeps_nothing() {
        let dir = tempfile::tempdir().unwrap();
        Material::look(&config(dir.path())).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let kept = Material::load(&config(dir.path())).unwrap();
        assert_eq!(kids(&Material::look(&config(dir.path())).unwrap().token), kids(&kept.token));
    }

    #[test]
    fn generated_keys_are_kept_private_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) =
            (Material::load(&config(dir.path())).unwrap(), Material::load(&config(dir.path())).unwrap());
        assert_eq!(kids(&first.token), kids(&second.token));
        assert_eq!(first.secret.expose_secret(), second.secret.expose_secret());
        for name in ["token.pem", "secret", "vapid.pem"] {
            let mode = fs::metadata(dir.path().join("keys").join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        assert_eq!(fs::read_dir(dir.path().join("keys")).unwrap().count(), 3, "no drafts are left");
    }

    #[test]
    fn a_rotation_promotes_the_key_everybody_knows_and_keeps_the_old_one() {
        let made = make().unwrap();
        let before = kids(&made.token);
        let rotated = rotate(made.token.expose_secret()).unwrap();
        let after = kids(&rotated);
        assert_eq!((&after[0], &after[2]), (&before[1], &before[0]));
        assert_eq!(kids(&rotate(rotated.expose_secret()).unwrap())[2], after[0]);
    }

    #[test]
    fn a_single_key_keeps_signing_until_its_successor_is_known() {
        let single = SecretString::from(pem::encode(&fresh_signing_key().unwrap()));
        let rotated = rotate(single.expose_secret()).unwrap();
        assert_eq!(kids(&rotated)[0], kids(&single)[0]);
        assert_eq!(kids(&rotated).len(), 2);
    }

    #[test]
    fn a_short_or_garbled_secret_is_refused_with_the_variable_named() {
        for text in ["", "c2hvcnQ=", "not base64!"] {
            let error = decode_secret(text).unwrap_err().to_string();
            assert!(error.starts_with("MENDLINE_SECRET_KEY"), "{error}");
        }
        let url_safe = "-_-_".repeat(12);
        assert_eq!(decode_secret(&url_safe).unwrap().len(), 36);
    }
}
