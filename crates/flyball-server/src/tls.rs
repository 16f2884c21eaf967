//! TLS: a certificate and its key from files, read again while the server runs.
//!
//! Connections that are open keep the pair that they began with. A pair that cannot be used is told
//! in the log and changes nothing.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// How often the files are read to see whether they have changed. They are compared by what they hold:
/// that works for links that are switched, copies and every file system.
pub(crate) const LOOK: Duration = Duration::from_secs(10);

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that lead from it to a root, in PEM.
    pub certificates: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// Why certificate and key cannot be used. The key itself is never told.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error(
        "cannot read {path}: {cause}\nhint: --tls-cert and --tls-key name files that the server's user \
         can read",
        path = path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error(
        "{path} holds no {what} in PEM: {cause}\nhint: the file has lines like -----BEGIN CERTIFICATE----- \
         or -----BEGIN PRIVATE KEY-----; --tls-cert is the certificate, --tls-key its key",
        path = path.display()
    )]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        cause: rustls::pki_types::pem::Error,
    },
    /// They do not fit each other, or are of a kind that is not supported.
    #[error(
        "certificate and key cannot be used: {0}\nhint: the key must be that of the first certificate in \
         the file, ECDSA, Ed25519 or RSA"
    )]
    Pair(#[from] rustls::Error),
}

/// What new connections are served with.
#[derive(Debug)]
pub(crate) struct Tls {
    files: TlsFiles,
    /// What the files held when they were read last, whether it could be used or not.
    held: Mutex<Pair>,
    current: RwLock<Arc<ServerConfig>>,
}

/// The bytes of both files.
#[derive(PartialEq, Eq)]
struct Pair {
    certificates: Vec<u8>,
    key: Vec<u8>,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").finish_non_exhaustive()
    }
}

impl Tls {
    /// # Errors
    ///
    /// [`TlsError`] when the files cannot be used.
    pub(crate) fn new(files: TlsFiles) -> Result<Self, TlsError> {
        let pair = read(&files)?;
        let current = RwLock::new(Arc::new(configure(&files, &pair)?));
        Ok(Self { files, held: Mutex::new(pair), current })
    }

    /// What a connection that begins now is served with.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again. `true` when they have changed and are used from now on.
    ///
    /// # Errors
    ///
    /// [`TlsError`]; what was used before is used further. Files that cannot be used are told of once,
    /// until they change.
    pub(crate) fn reload(&self) -> Result<bool, TlsError> {
        let pair = read(&self.files)?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if *held == pair {
            return Ok(false);
        }
        let config = configure(&self.files, &pair);
        *held = pair;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config?);
        Ok(true)
    }

    /// Reads the files again, and tells the log.
    pub(crate) fn reload_and_tell(&self) {
        let file = self.files.certificates.display();
        match self.reload() {
            Ok(true) => tracing::info!(%file, "new connections use the new certificate"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the certificate of before is used further"),
        }
    }
}

fn read(files: &TlsFiles) -> Result<Pair, TlsError> {
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|cause| TlsError::Read { path: path.clone(), cause })
    };
    Ok(Pair { certificates: read(&files.certificates)?, key: read(&files.key)? })
}

fn configure(files: &TlsFiles, pair: &Pair) -> Result<ServerConfig, TlsError> {
    let pem = |path: &PathBuf, what| {
        let path = path.clone();
        move |cause| TlsError::Pem { path, what, cause }
    };
    let chain = CertificateDer::pem_slice_iter(&pair.certificates)
        .collect::<Result<Vec<_>, _>>()
        .map_err(pem(&files.certificates, "certificates"))?;
    let key = PrivateKeyDer::from_pem_slice(&pair.key).map_err(pem(&files.key, "private key"))?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
