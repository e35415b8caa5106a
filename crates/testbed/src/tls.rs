//! Certificates for servers that encrypt, from an authority that nobody else trusts.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use tempfile::NamedTempFile;

use crate::account::Account;
use crate::own::random_word;

/// Who says which server is whose. Its own key is never written down.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    // Removed with it.
    file: NamedTempFile,
}

impl Authority {
    /// Another one each time.
    ///
    /// # Errors
    /// When there is no room for its certificate.
    pub fn new() -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Two of one name would be taken for each other until the signature is looked at.
        params.distinguished_name = called(&random_word()?);
        let certificate = params.self_signed(&key)?;
        let mut file = NamedTempFile::new().context("no temporary file")?;
        file.write_all(certificate.pem().as_bytes())?;
        let issuer = Issuer::new(params, key);
        Ok(Self { issuer, file })
    }

    /// Where its certificate is, for those who are to trust it.
    #[must_use]
    pub fn file(&self) -> &Path {
        self.file.path()
    }

    /// Writes what a server of these names or addresses shows, and the key to it, which nobody but that account can read.
    pub(crate) fn certify(
        &self,
        names: &[&str],
        account: Account,
        certificate: &Path,
        key: &Path,
    ) -> Result<()> {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names)?;
        // Not the authority's name: that would be taken for one that vouches for itself.
        params.distinguished_name = called("server");
        let own_key = KeyPair::generate()?;
        let signed = params.signed_by(&own_key, &self.issuer)?;
        fs::write(certificate, signed.pem())?;
        account.own(certificate)?;
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(key)?;
        file.write_all(own_key.serialize_pem().as_bytes())?;
        account.own(key)
    }
}

fn called(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}
