//! Disks that fail.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Fails every sync while a file is there.
const FAILING_SYNC: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int sync_by(const char *name, int fd) {
    const char *path = getenv("FAIL_SYNC_WHILE");
    if (path && access(path, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    int (*real)(int) = (int (*)(int)) dlsym(RTLD_NEXT, name);
    return real(fd);
}

int fsync(int fd) { return sync_by("fsync", fd); }
int fdatasync(int fd) { return sync_by("fdatasync", fd); }
"#;

/// A library, made in `directory`, for `LD_PRELOAD`: every sync of a file fails while the file is there that
/// `FAIL_SYNC_WHILE` names.
///
/// # Panics
///
/// Where it cannot be compiled.
pub fn failing_sync(directory: &Path) -> PathBuf {
    let (source, library) = (directory.join("sync.c"), directory.join("sync.so"));
    std::fs::write(&source, FAILING_SYNC).expect("the source is written");
    // SQLite was compiled by it, so it is there.
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
    assert!(compiler.status().expect("cc is there").success(), "{}", source.display());
    library
}
