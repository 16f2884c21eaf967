//! Signatures against published vectors.

use flyball_connect::{Headers, Scheme, SignatureError, verify};

use crate::headers;

/// The example of GitHub's guide to validating deliveries.
const SECRET: &[u8] = b"It's a Secret to Everybody";
const BODY: &[u8] = b"Hello, World!";
const CODE: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

fn github(code: &str) -> Headers {
    headers(&[("X-Hub-Signature-256", code)])
}

#[test]
fn github_as_published() {
    let shown = github(&format!("sha256={CODE}"));
    assert_eq!(verify(Scheme::GitHub, &[SECRET], &shown, BODY), Ok(()));
    assert_eq!(verify(Scheme::GitHub, &[b"the next secret", SECRET], &shown, BODY), Ok(()));
    let wrong = Err(SignatureError::Wrong);
    assert_eq!(verify(Scheme::GitHub, &[b"another secret"], &shown, BODY), wrong);
    assert_eq!(verify(Scheme::GitHub, &[SECRET], &shown, b"Hello, World?"), wrong);
    assert_eq!(verify(Scheme::GitHub, &[SECRET], &github("sha256=00"), BODY), wrong);
}

#[test]
fn what_is_no_signature_is_refused() {
    let malformed = Err(SignatureError::Malformed("x-hub-signature-256"));
    for code in [CODE, "sha256=", "sha256=7", "sha256=zz", "sha256=é1", "sha1=757107ea", "md5="] {
        assert_eq!(verify(Scheme::GitHub, &[SECRET], &github(code), BODY), malformed, "{code}");
    }
    let missing = Err(SignatureError::Missing("x-hub-signature-256"));
    assert_eq!(verify(Scheme::GitHub, &[SECRET], &headers(&[]), BODY), missing);
    let shown = github(&format!("sha256={CODE}"));
    for secrets in [&[][..], &[&b""[..]], &[SECRET, b"short"]] {
        let none = Err(SignatureError::NoSecret);
        assert_eq!(verify(Scheme::GitHub, secrets, &shown, BODY), none);
    }
}

/// Test case 2 of RFC 4231, whose key is too short to be a secret here, is why case 6 is used: a key
/// of 131 bytes.
#[test]
fn flux_with_every_algorithm() {
    let secret = [0xaa; 131];
    let body = b"Test Using Larger Than Block-Size Key - Hash Key First";
    for code in [
        "sha224=95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e",
        "sha256=60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        "sha384=4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
        "sha512=80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
    ] {
        let shown = headers(&[("X-Signature", code)]);
        assert_eq!(verify(Scheme::Flux, &[&secret], &shown, body), Ok(()), "{code}");
        let wrong = Err(SignatureError::Wrong);
        assert_eq!(verify(Scheme::Flux, &[&secret], &shown, b"another"), wrong);
    }
}

#[test]
fn gitlab_shows_the_secret_itself() {
    let shown = headers(&[("X-Gitlab-Token", "a secret of ours")]);
    assert_eq!(
        verify(Scheme::GitLab, &[b"old secret", b"a secret of ours"], &shown, b"{}"),
        Ok(())
    );
    let wrong = Err(SignatureError::Wrong);
    assert_eq!(verify(Scheme::GitLab, &[b"a secret of our"], &shown, b"{}"), wrong);
}
