//! The identity provider: what it says of itself, its keys, and the exchange of codes for people.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration as Wait, SystemTime};

use flyball_model::{Duration, Timestamp};
use flyball_store::Identity;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreClientAuthMethod, CoreErrorResponseType, CoreGenderClaim,
    CoreIdTokenVerifier, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreResponseType, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessToken, AccessTokenHash, AsyncHttpClient, AuthType, AuthenticationFlow, AuthorizationCode,
    ClaimsVerificationError, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, HttpRequest, HttpResponse, IdTokenClaims, IdTokenFields, Nonce,
    OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RequestTokenError, Scope,
    SignatureVerificationError, StandardErrorResponse, StandardTokenResponse, SubjectIdentifier,
    TokenResponse, UserInfoClaims,
};
use tokio::sync::{Mutex, Semaphore};

use super::claims::{Claimed, Others};
use super::{LoginError, Oidc, OidcError, word};
use crate::clock::Clock;

/// How long one answer of the provider may take.
const ANSWER_MAX: Wait = Wait::from_secs(10);
/// The longest answer. Bytes; keys and tokens have a few thousand.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Codes that are exchanged at the same time. Callbacks can be made up, and the provider is not to be
/// flooded by way of this server.
const EXCHANGES_MAX: usize = 16;
/// For how long it is believed what the provider says of itself.
const FRESH: Duration = Duration::from_hours(1);
/// How long a provider that could not be asked is left in peace.
const AGAIN: Duration = Duration::from_seconds(5);

/// Signatures that are taken: those by a key that only the provider has. Never `none`, and none by a
/// shared secret, which whoever knows a public key could pass off as one.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

type Fields = IdTokenFields<
    Others,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

/// The library's client, with all claims kept.
type Client = openidconnect::Client<
    Others,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

type IdToken = openidconnect::IdToken<
    Others,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

/// The provider that people log in at.
#[derive(Debug)]
pub(super) struct Provider {
    oidc: Oidc,
    http: Http,
    clock: Clock,
    /// Held while it is asked: those who come meanwhile wait for the same answer.
    known: Mutex<Known>,
    exchanges: Semaphore,
}

/// What the provider says of itself, with its keys.
#[derive(Debug, Default)]
struct Known {
    said: Option<(Arc<CoreProviderMetadata>, Timestamp)>,
    failed: Option<Timestamp>,
}

/// Where to send a browser, and what is to be kept of that.
pub(super) struct Request {
    pub(super) to: String,
    pub(super) state: String,
    pub(super) nonce: Nonce,
    pub(super) verifier: PkceCodeVerifier,
}

impl Provider {
    pub(super) fn new(oidc: Oidc, clock: Clock) -> Result<Self, OidcError> {
        let exchanges = Semaphore::new(EXCHANGES_MAX);
        Ok(Self { oidc, http: Http::new()?, clock, known: Mutex::default(), exchanges })
    }

    /// What it calls itself.
    pub(super) fn issuer(&self) -> &str {
        &self.oidc.issuer
    }

    /// A login to be begun.
    ///
    /// # Errors
    ///
    /// [`LoginError::Unreachable`] when the provider is not known and cannot be asked.
    pub(super) async fn request(&self) -> Result<Request, LoginError> {
        let client = self.client(&*self.metadata().await?);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = client
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scopes(self.oidc.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(challenge)
            .url();
        Ok(Request { to: url.into(), state: state.into_secret(), nonce, verifier })
    }

    /// Whom the provider gave `code` for.
    ///
    /// # Errors
    ///
    /// [`LoginError`]; why in full is in the log, without code and tokens.
    pub(super) async fn exchange(
        &self,
        code: &str,
        verifier: PkceCodeVerifier,
        nonce: &Nonce,
    ) -> Result<Identity, LoginError> {
        let _room = self.exchanges.try_acquire().map_err(|_| LoginError::Busy)?;
        let mut metadata = self.metadata().await?;
        let client = self.client(&metadata);
        let no_endpoint = |_| LoginError::Unreachable("it names no endpoint for tokens");
        let answer = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(no_endpoint)?
            .set_pkce_verifier(verifier)
            .request_async(&self.http)
            .await
            .map_err(|error| not_exchanged(&error))?;
        let untrusted = LoginError::Untrusted;
        let token = answer.id_token().ok_or(untrusted("it sends no ID token"))?;
        let mut trusted = token.claims(&self.verifier(&metadata), nonce);
        if is_unknown_key(&trusted) {
            // Keys are changed now and then; what was signed by a new one is not wrong.
            metadata = self.ask().await?;
            trusted = token.claims(&self.verifier(&metadata), nonce);
        }
        let claims = trusted.map_err(|error| distrust(&error))?;
        if claims.authorized_party().is_some_and(|party| *party != self.oidc.client_id) {
            return Err(untrusted("the ID token was made for another client"));
        }
        let verifier = self.verifier(&metadata);
        check_access_token(&verifier, token, claims, answer.access_token())?;
        self.identify(&metadata, claims, answer.access_token()).await
    }

    /// Who it is, from the ID token; what that leaves out, the provider is asked for.
    async fn identify(
        &self,
        metadata: &CoreProviderMetadata,
        claims: &IdTokenClaims<Others, CoreGenderClaim>,
        access: &AccessToken,
    ) -> Result<Identity, LoginError> {
        let verified = |email: Option<&openidconnect::EndUserEmail>, verified: Option<bool>| {
            email.filter(|_| verified == Some(true)).map(|email| email.to_string())
        };
        let mut claimed = Claimed {
            issuer: self.oidc.issuer.to_string(),
            subject: claims.subject().to_string(),
            email: verified(claims.email(), claims.email_verified()),
            name: claims.name().and_then(|name| name.get(None)).map(|name| name.to_string()),
            groups: claims.additional_claims().groups(&self.oidc.groups_claim),
        };
        let is_incomplete = claims.email().is_none() || claimed.groups.is_none();
        if is_incomplete && metadata.userinfo_endpoint().is_some() {
            let info = self.user_info(metadata, claims.subject(), access).await?;
            if claims.email().is_none() {
                claimed.email = verified(info.email(), info.email_verified());
            }
            let name = || info.name().and_then(|name| name.get(None)).map(|name| name.to_string());
            claimed.name = claimed.name.or_else(name);
            let groups = || info.additional_claims().groups(&self.oidc.groups_claim);
            claimed.groups = claimed.groups.or_else(groups);
        }
        claimed.identity().ok_or(LoginError::Untrusted("the subject cannot be kept"))
    }

    /// What the provider tells to the holder of `access`, who must be `subject`.
    async fn user_info(
        &self,
        metadata: &CoreProviderMetadata,
        subject: &SubjectIdentifier,
        access: &AccessToken,
    ) -> Result<UserInfoClaims<Others, CoreGenderClaim>, LoginError> {
        let said = "it does not tell who it is";
        let client = self.client(metadata);
        let request = client
            .user_info(access.clone(), Some(subject.clone()))
            .map_err(|_| LoginError::Unreachable(said))?;
        request.request_async(&self.http).await.map_err(|error| {
            // What it answered may hold what only they should know.
            tracing::warn!(kind = kind(&error), "the identity provider's user info is no use");
            LoginError::Unreachable(said)
        })
    }

    fn client(&self, metadata: &CoreProviderMetadata) -> Client {
        let Oidc { client_id, client_secret, callback, .. } = &self.oidc;
        let client = Client::from_provider_metadata(
            metadata.clone(),
            client_id.clone(),
            client_secret.clone(),
        )
        .set_redirect_uri(callback.clone());
        // Without a word from the provider it is in the header.
        let ways = metadata.token_endpoint_auth_methods_supported();
        let takes = |way| ways.is_none_or(|ways| ways.contains(&way));
        if takes(CoreClientAuthMethod::ClientSecretBasic) {
            client
        } else {
            client.set_auth_type(AuthType::RequestBody)
        }
    }

    /// What an ID token must be like: the library's checks of issuer, audience, expiry, nonce and
    /// signature, with the server's clock.
    fn verifier(&self, metadata: &CoreProviderMetadata) -> CoreIdTokenVerifier<'static> {
        let Oidc { client_id, issuer, .. } = &self.oidc;
        let now = Wait::from_nanos(u64::try_from(self.clock.now().nanos()).unwrap_or(0));
        // As for a public client: a client's secret signs nothing here.
        let keys = metadata.jwks().clone();
        CoreIdTokenVerifier::new_public_client(client_id.clone(), issuer.clone(), keys)
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || (SystemTime::UNIX_EPOCH + now).into())
    }

    /// What the provider has said of itself not long ago.
    async fn metadata(&self) -> Result<Arc<CoreProviderMetadata>, LoginError> {
        let mut known = self.known.lock().await;
        let now = self.clock.now();
        let failed_just_now = known.failed.is_some_and(|failed| now < failed.plus(AGAIN));
        match &known.said {
            Some((said, at)) if now < at.plus(FRESH) || failed_just_now => {
                return Ok(Arc::clone(said));
            }
            None if failed_just_now => return Err(LoginError::Unreachable("it did not answer")),
            _ => {}
        }
        let asked = self.discover(&mut known).await;
        match (asked, &known.said) {
            (Err(_), Some((said, _))) => Ok(Arc::clone(said)),
            (asked, _) => asked,
        }
    }

    /// What the provider says of itself now.
    async fn ask(&self) -> Result<Arc<CoreProviderMetadata>, LoginError> {
        self.discover(&mut *self.known.lock().await).await
    }

    async fn discover(&self, known: &mut Known) -> Result<Arc<CoreProviderMetadata>, LoginError> {
        let issuer = self.oidc.issuer.clone();
        match CoreProviderMetadata::discover_async(issuer, &self.http).await {
            Ok(said) => {
                let said = Arc::new(said);
                known.said = Some((Arc::clone(&said), self.clock.now()));
                known.failed = None;
                Ok(said)
            }
            Err(error) => {
                known.failed = Some(self.clock.now());
                tracing::warn!(error = chain(&error), "the identity provider cannot be asked");
                Err(LoginError::Unreachable("it does not answer as a provider should"))
            }
        }
    }
}

/// Whether the access token came with the ID token, where that says so.
fn check_access_token(
    verifier: &CoreIdTokenVerifier<'_>,
    token: &IdToken,
    claims: &IdTokenClaims<Others, CoreGenderClaim>,
    access: &AccessToken,
) -> Result<(), LoginError> {
    let Some(expected) = claims.access_token_hash() else { return Ok(()) };
    let wrong = LoginError::Untrusted("the ID token belongs to another access token");
    let (Ok(algorithm), Ok(key)) = (token.signing_alg(), token.signing_key(verifier)) else {
        return Err(wrong);
    };
    match AccessTokenHash::from_token(access, algorithm, key) {
        Ok(found) if found == *expected => Ok(()),
        _ => Err(wrong),
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn is_unknown_key<T>(trusted: &Result<T, ClaimsVerificationError>) -> bool {
    use ClaimsVerificationError::SignatureVerification;
    matches!(
        trusted,
        Err(SignatureVerification(
            SignatureVerificationError::NoMatchingKey | SignatureVerificationError::CryptoError(_)
        ))
    )
}

/// Why an ID token is not believed. Its contents are not repeated.
fn distrust(error: &ClaimsVerificationError) -> LoginError {
    let why = match error {
        ClaimsVerificationError::Expired(_) => "the ID token has expired",
        ClaimsVerificationError::InvalidAudience(_) => "the ID token is for somebody else",
        ClaimsVerificationError::InvalidIssuer(_) => "the ID token is another provider's",
        ClaimsVerificationError::InvalidNonce(_) => "the ID token belongs to another login",
        ClaimsVerificationError::SignatureVerification(_) => {
            "the ID token is not signed as it must be"
        }
        _ => "the ID token is not as it must be",
    };
    tracing::warn!(why, "an ID token is not believed");
    LoginError::Untrusted(why)
}

/// Why no token was had for a code.
fn not_exchanged(
    error: &RequestTokenError<HttpError, StandardErrorResponse<CoreErrorResponseType>>,
) -> LoginError {
    match error {
        RequestTokenError::ServerResponse(said) => {
            let code = word(said.error().as_ref());
            tracing::warn!(code, "the identity provider refuses a code");
            LoginError::Refused(code)
        }
        RequestTokenError::Request(error) => {
            tracing::warn!(error = chain(error), "the identity provider cannot be asked");
            LoginError::Unreachable("it did not answer")
        }
        // What cannot be understood is not repeated: it may hold a token.
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            tracing::warn!("the identity provider's answer to a code cannot be understood");
            LoginError::Untrusted("its answer to a code cannot be understood")
        }
    }
}

/// What kind of error it was, without what it holds.
fn kind(error: &openidconnect::UserInfoError<HttpError>) -> &'static str {
    use openidconnect::UserInfoError;
    match error {
        UserInfoError::ClaimsVerification(_) => "claims",
        UserInfoError::Parse(_) => "parse",
        UserInfoError::Request(_) => "request",
        UserInfoError::Response(..) => "response",
        _ => "other",
    }
}

/// The library's way to ask the provider: follows no redirects, waits and reads only so much.
#[derive(Debug)]
struct Http(reqwest::Client);

/// Why the provider did not answer.
#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error("no answer")]
    Send(#[source] reqwest::Error),
    #[error("the answer is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        Self::Send(error.without_url())
    }
}

impl Http {
    fn new() -> Result<Self, OidcError> {
        crate::choose_cryptography();
        let builder = reqwest::Client::builder()
            .timeout(ANSWER_MAX)
            // A provider that could redirect could have this server ask whatever it can reach.
            .redirect(reqwest::redirect::Policy::none());
        Ok(Self(builder.build()?))
    }

    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut answer = self.0.execute(request.try_into()?).await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(HttpError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = HttpResponse::new(body);
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.ask(request))
    }
}
