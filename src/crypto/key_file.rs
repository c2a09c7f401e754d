//! Private keys in files: [`RsaWrapper::load`] and [`RsaWrapper::save`].

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::random;
use super::rsa::{MAX_PEM_SIZE, RsaWrapper, hex};
use crate::error::{Error, Reason, Result};
use crate::log::{self, Level};
use crate::secret::try_with_capacity;

/// The mode of a file that holds a private key.
const OWNER_ONLY: u32 = 0o600;
/// The mode bits of everyone but the owner.
const OTHER_USERS: u32 = 0o077;

/// The user who can read and replace every file.
const ROOT: u32 = 0;

/// How many random bytes are in the name of a temporary file.
const NAME_SIZE: usize = 8;

/// Who else can read or replace a key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum KeyFilePermissions {
    /// Nobody: only its owner has access.
    Private,
    /// Users other than its owner have access, and may have read the key.
    Exposed {
        /// The mode, as in `chmod`.
        mode: u32,
    },
    /// The owner of the file is neither the effective user of the process nor root: they may have
    /// read the key, and can replace it.
    OwnedByOther {
        /// The user ID of the owner.
        owner: u32,
    },
}

impl KeyFilePermissions {
    fn of(mode: u32, owner: u32, user: u32) -> Self {
        if mode & OTHER_USERS != 0 {
            Self::Exposed { mode }
        } else if owner != user && owner != ROOT {
            Self::OwnedByOther { owner }
        } else {
            Self::Private
        }
    }

    /// A warning about the key file, if needed.
    pub(crate) fn warning(self, path: &Path) -> Option<String> {
        match self {
            Self::Private => None,
            Self::Exposed { mode } => Some(format!(
                "users other than the owner have access to the key file {path:?} (mode {mode:04o})"
            )),
            Self::OwnedByOther { owner } => Some(format!(
                "the key file {path:?} belongs to another user (ID {owner})"
            )),
        }
    }
}

impl RsaWrapper {
    /// Reads a private key, in a form that [`set_private_key`] accepts, from a file of at most 16
    /// KiB, and derives the public key. After a failure the old keys are kept.
    ///
    /// If users other than the owner have access to the file, or it belongs to another user, the
    /// key is loaded anyway, and a log message warns.
    ///
    /// [`set_private_key`]: RsaWrapper::set_private_key
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<KeyFilePermissions> {
        let path = path.as_ref();
        let (text, rights) = read(path)?;
        self.set_private_key(&*text, true)
            .map_err(|error| match error.reason() {
                Some(Reason::InvalidKey) => {
                    Error::new(Reason::InvalidKey, format!("{path:?}: {error}"))
                }
                _ => error,
            })?;
        if let Some(warning) = rights.warning(path) {
            log::emit(Level::Warning, "", || warning);
        }
        Ok(rights)
    }

    /// Writes the private key as PEM (PKCS #8, not encrypted) to a file that only its owner can
    /// read and write. An existing file is replaced as a whole or, after a failure, not at all; a
    /// symbolic link is replaced, not followed.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.check_private_key_in_memory()?;
        let pem = self
            .private_key()
            .ok_or_else(|| Error::new(Reason::KeyMissing, "no local private RSA key is set"))?;
        write(path, pem.as_bytes())
    }
}

/// The content of a file, and who has access to it.
fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, KeyFilePermissions)> {
    check_length("read", path)?;
    let failed = |error| failed("read", path, &error);
    let file = File::open(path).map_err(failed)?;
    // From the open file, because the name may belong to another one by now.
    let found = file.metadata().map_err(failed)?;
    let rights = KeyFilePermissions::of(found.mode() & 0o7777, found.uid(), effective_user());
    // Large enough from the start, because growing would leave a copy of the key behind.
    let mut text = Zeroizing::new(try_with_capacity(2 * MAX_PEM_SIZE)?);
    file.take(MAX_PEM_SIZE as u64 + 1)
        .read_to_end(&mut text)
        .map_err(failed)?;
    if text.len() > MAX_PEM_SIZE {
        return Err(Error::new(
            Reason::InvalidKey,
            format!("{path:?} has more than {MAX_PEM_SIZE} bytes, the limit for keys"),
        ));
    }
    Ok((text, rights))
}

/// The effective user of this process.
fn effective_user() -> u32 {
    // SAFETY: it takes no arguments and cannot fail.
    unsafe { libc::geteuid() }
}

/// Writes a file with this content, replacing an existing one.
fn write(path: &Path, content: &[u8]) -> Result<()> {
    check_length("write", path)?;
    let name = path.file_name().ok_or_else(|| {
        Error::invalid_argument(format!("path is {path:?}, which cannot name a file"))
    })?;
    let folder = folder_of(path);
    let failed = |error| failed("write", path, &error);
    check_replaceable(path).map_err(failed)?;
    let (mut file, temporary) = create_temporary(folder, name, path)?;
    file.write_all(content).map_err(failed)?;
    // Before the rename, so that after a power cut there is either the old key or the new one.
    file.sync_all().map_err(failed)?;
    temporary.rename(path).map_err(|error| match error.kind() {
        // A file that is mounted into a container cannot be replaced.
        io::ErrorKind::ResourceBusy => Error::with_errno(
            Reason::IoFailed,
            format!(
                "cannot write the key file {path:?}: it is mounted by itself, and so cannot be \
                 replaced; mount the folder that it is in"
            ),
            libc::EBUSY,
        ),
        _ => failed(error),
    })?;
    // The key is in place already. If the folder cannot be synced, a power cut soon after may bring
    // back the old one.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Refuses a path that is too long for the system, as the system would. The standard library copies
/// it first, and messages quote it: a failed allocation there would abort the process.
fn check_length(what: &str, path: &Path) -> Result<()> {
    let len = path.as_os_str().len();
    if len < libc::PATH_MAX as usize {
        return Ok(());
    }
    Err(Error::with_errno(
        Reason::IoFailed,
        format!("cannot {what} the key file: its path has {len} bytes, too many for the system"),
        libc::ENAMETOOLONG,
    ))
}

/// The folder of a file.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Replacing a device or a pipe would break it for everyone who uses it.
fn check_replaceable(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::Error::from_raw_os_error(libc::EISDIR)),
        Ok(found) if !found.is_file() => Err(io::Error::from_raw_os_error(libc::EEXIST)),
        // If the path cannot be read, creating the file reports why.
        _ => Ok(()),
    }
}

/// A new file with a unique name, in the same folder because a rename cannot cross file systems.
fn create_temporary(folder: &Path, name: &OsStr, path: &Path) -> Result<(File, TemporaryFile)> {
    loop {
        let mut bytes = [0; NAME_SIZE];
        random::fill(&mut bytes)?;
        // Only a part of the name, so that the result is not too long.
        let name = &name.as_bytes()[..name.len().min(100)];
        let name = [b".", name, b".", hex(&bytes).as_bytes()].concat();
        let temporary = folder.join(OsStr::from_bytes(&name));
        // create_new() is O_CREAT with O_EXCL: it follows no link and opens no existing file. The
        // file has its mode from the start.
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(OWNER_ONLY)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&temporary)
        {
            Ok(file) => {
                let made = TemporaryFile(Some(temporary));
                // The umask may have removed access for the owner too.
                file.set_permissions(fs::Permissions::from_mode(OWNER_ONLY))
                    .map_err(|error| failed("write", path, &error))?;
                return Ok((file, made));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("write", path, &error)),
        }
    }
}

/// Removes the file unless it is renamed.
struct TemporaryFile(Option<PathBuf>);

impl TemporaryFile {
    fn rename(mut self, path: &Path) -> io::Result<()> {
        let from = self.0.as_deref().expect("it has its first name");
        fs::rename(from, path)?;
        self.0 = None;
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // The earlier failure is the one to report.
            let _ = fs::remove_file(path);
        }
    }
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::with_errno(
        Reason::IoFailed,
        format!("cannot {what} the key file {path:?}: {error}"),
        error.raw_os_error().unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    const KEY: &str = include_str!("../../examples-c/tests/keys/peer-1.pem");
    const OTHER_KEY: &str = include_str!("../../examples-c/tests/keys/peer-2.pem");

    /// A folder that ends with its test.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let mut bytes = [0; NAME_SIZE];
            random::fill(&mut bytes).unwrap();
            let path = std::env::temp_dir().join(format!("anwdl-keys-{}", hex(&bytes)));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        /// A file with these rights.
        fn file(&self, name: &str, content: impl AsRef<[u8]>, mode: u32) -> PathBuf {
            let path = self.path(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let mut names: Vec<_> = entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn wrapper(pem: &str) -> RsaWrapper {
        let mut wrapper = RsaWrapper::default();
        wrapper.set_private_key(pem, true).unwrap();
        wrapper
    }

    fn mode_of(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_key_is_saved_for_its_owner_only_and_loaded_again() {
        let folder = Folder::new();
        let path = folder.path("server.pem");
        let saved = wrapper(KEY);
        saved.save(&path).unwrap();
        assert_eq!(mode_of(&path), 0o600);
        assert_eq!(folder.names(), ["server.pem"]);
        let mut loaded = wrapper(OTHER_KEY);
        loaded
            .set_remote_public_key(saved.public_key().unwrap())
            .unwrap();
        assert_eq!(loaded.load(&path).unwrap(), KeyFilePermissions::Private);
        assert_eq!(
            *loaded.private_key().unwrap(),
            *saved.private_key().unwrap()
        );
        assert_eq!(loaded.public_key(), saved.public_key());
        assert!(
            loaded.has_remote(),
            "the peer's key is none of its business"
        );
    }

    #[test]
    fn a_key_file_has_its_mode_under_any_umask() {
        const NAME: &str = "crypto::key_file::tests::a_key_file_has_its_mode_under_any_umask";
        const PATH: &str = "ANWDL_TEST_KEY_FILE";
        // The umask is the whole process's, so a process of its own has it.
        if let Some(path) = std::env::var_os(PATH) {
            return wrapper(KEY).save(path).unwrap();
        }
        let folder = Folder::new();
        for umask in ["000", "022", "277", "377", "777"] {
            let path = folder.path(umask);
            let status = std::process::Command::new("sh")
                .args(["-c", r#"umask "$0" && exec "$@""#, umask])
                .arg(std::env::current_exe().unwrap())
                .args(["--exact", NAME])
                .env(PATH, &path)
                .status()
                .unwrap();
            assert!(status.success(), "{umask}");
            assert_eq!(mode_of(&path), 0o600, "{umask}");
        }
    }

    #[test]
    fn what_was_there_is_replaced_as_a_whole() {
        let folder = Folder::new();
        let old = "x".repeat(10_000);
        let path = folder.file("server.pem", &old, 0o644);
        let mut reader = File::open(&path).unwrap();
        wrapper(KEY).save(&path).unwrap();
        assert_eq!(mode_of(&path), 0o600);
        let mut found = String::new();
        reader.read_to_string(&mut found).unwrap();
        assert_eq!(found, old, "the old file is another one");
        let mut loaded = RsaWrapper::default();
        assert_eq!(loaded.load(&path).unwrap(), KeyFilePermissions::Private);
        assert_eq!(folder.names(), ["server.pem"]);
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let folder = Folder::new();
        let target = folder.file("target", "untouched", 0o644);
        let path = folder.path("link.pem");
        symlink(&target, &path).unwrap();
        wrapper(KEY).save(&path).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "untouched");
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        // A fleet's keys are often mounted as links: these are followed when one is loaded.
        let link = folder.path("other.pem");
        symlink(&path, &link).unwrap();
        let mut loaded = RsaWrapper::default();
        assert_eq!(loaded.load(&link).unwrap(), KeyFilePermissions::Private);
    }

    #[test]
    fn each_name_stands_in_a_folder() {
        for (path, folder) in [
            ("key.pem", "."),
            ("./key.pem", "."),
            ("keys/key.pem", "keys"),
            ("/key.pem", "/"),
        ] {
            assert_eq!(folder_of(Path::new(path)), Path::new(folder), "{path}");
        }
    }

    #[test]
    fn what_is_no_file_keeps_its_place() {
        let folder = Folder::new();
        let path = folder.path("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let error = wrapper(KEY).save(&path).unwrap_err();
        assert_eq!(
            (error.reason(), error.errno()),
            (Some(Reason::IoFailed), libc::EEXIST)
        );
        assert!(!fs::metadata(&path).unwrap().is_file());
        assert_eq!(folder.names(), ["socket"]);
    }

    #[test]
    fn a_path_is_as_long_as_the_system_takes() {
        let longest = libc::PATH_MAX as usize - 1;
        for len in [longest, longest + 1, 100 * longest] {
            let path = "x".repeat(len);
            let errors = [
                wrapper(KEY).load(&path).unwrap_err(),
                wrapper(KEY).save(&path).unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.reason(), Some(Reason::IoFailed), "{len}: {error}");
                assert_eq!(error.errno(), libc::ENAMETOOLONG, "{len}: {error}");
            }
        }
        let folder = Folder::new();
        let folders = longest - folder.path("key").as_os_str().len();
        let path = folder.path(&format!(
            "{}{}key",
            "./".repeat(folders / 2),
            "/".repeat(folders % 2)
        ));
        assert_eq!(path.as_os_str().len(), longest);
        wrapper(KEY).save(&path).unwrap();
        assert_eq!(
            RsaWrapper::default().load(&path).unwrap(),
            KeyFilePermissions::Private
        );
    }

    #[test]
    fn a_file_that_gets_no_name_is_removed() {
        let folder = Folder::new();
        let path = folder.path("key.pem");
        let (_, temporary) = create_temporary(&folder.0, OsStr::new("key.pem"), &path).unwrap();
        assert_eq!(folder.names().len(), 1);
        drop(temporary);
        assert!(folder.names().is_empty());
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let folder = Folder::new();
        let taken = folder.path("taken");
        fs::create_dir(&taken).unwrap();
        let error = wrapper(KEY).save(&taken).unwrap_err();
        assert_eq!(error.reason(), Some(Reason::IoFailed));
        assert_eq!(error.errno(), libc::EISDIR);
        let error = wrapper(KEY).save(folder.path("none/key.pem")).unwrap_err();
        assert_eq!(
            (error.reason(), error.errno()),
            (Some(Reason::IoFailed), libc::ENOENT)
        );
        for no_name in ["", "/", ".."] {
            let error = wrapper(KEY).save(no_name).unwrap_err();
            assert_eq!(error.reason(), Some(Reason::InvalidArgument));
        }
        let error = RsaWrapper::default()
            .save(folder.path("key.pem"))
            .unwrap_err();
        assert_eq!(error.reason(), Some(Reason::KeyMissing));
        assert_eq!(folder.names(), ["taken"]);
        let longest = "n".repeat(255);
        wrapper(KEY).save(folder.path(&longest)).unwrap();
        assert_eq!(folder.names(), [longest.as_str(), "taken"]);
    }

    #[test]
    fn rights_of_others_are_told() {
        let _one = log::TESTS.lock().unwrap_or_else(PoisonError::into_inner);
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = told.clone();
        let hook: log::Hook = Arc::new(move |level, id: &str, message: &str| {
            if message.contains("exposed.pem") {
                kept.lock()
                    .unwrap()
                    .push((level, id.to_owned(), message.to_owned()));
            }
        });
        log::set_hook(Level::Warning, Some(hook));
        let folder = Folder::new();
        for mode in [0o600, 0o400, 0o700, 0o640, 0o604, 0o620, 0o611, 0o777] {
            let path = folder.file("exposed.pem", KEY, mode);
            let mut loaded = RsaWrapper::default();
            let is_exposed = mode & 0o77 != 0;
            let expected = match is_exposed {
                true => KeyFilePermissions::Exposed { mode },
                false => KeyFilePermissions::Private,
            };
            assert_eq!(loaded.load(&path).unwrap(), expected, "{mode:o}");
            assert!(loaded.private_key().is_some(), "it is loaded all the same");
            let told = std::mem::take(&mut *told.lock().unwrap());
            assert_eq!(told.len(), usize::from(is_exposed), "{mode:o}");
            for (level, id, message) in told {
                assert_eq!((level, &*id), (Level::Warning, ""));
                assert!(message.contains(&format!("{mode:04o}")), "{message}");
            }
            fs::remove_file(path).unwrap();
        }
        log::set_hook(Level::Debug, None);
    }

    #[test]
    fn an_owner_who_is_neither_the_user_nor_root_is_told() {
        use KeyFilePermissions::{Exposed, OwnedByOther, Private};
        for (mode, owner, user, expected) in [
            (0o600, 1000, 1000, Private),
            (0o600, 0, 0, Private),
            (0o600, 0, 1000, Private),
            (0o600, 1000, 0, OwnedByOther { owner: 1000 }),
            (0o600, 1001, 1000, OwnedByOther { owner: 1001 }),
            (0o640, 1000, 0, Exposed { mode: 0o640 }),
        ] {
            assert_eq!(KeyFilePermissions::of(mode, owner, user), expected);
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_the_old_one_kept() {
        let folder = Folder::new();
        let mut largest = KEY.to_owned();
        largest.push_str(&"\n".repeat(MAX_PEM_SIZE - KEY.len()));
        let mut loaded = wrapper(OTHER_KEY);
        for (content, is_key) in [
            (largest.clone().into_bytes(), true),
            ([largest.as_bytes(), b"\n"].concat(), false),
            (b"".to_vec(), false),
            (b"\xff\xfe".to_vec(), false),
            (wrapper(KEY).public_key().unwrap().into(), false),
        ] {
            let path = folder.file("key.pem", &content, 0o600);
            let result = loaded.load(&path);
            if is_key {
                assert_eq!(result.unwrap(), KeyFilePermissions::Private);
                loaded = wrapper(OTHER_KEY);
                continue;
            }
            let error = result.unwrap_err();
            assert_eq!(error.reason(), Some(Reason::InvalidKey));
            assert!(error.to_string().contains("key.pem"), "{error}");
        }
        for (path, errno) in [
            (folder.path("none.pem"), libc::ENOENT),
            (folder.0.clone(), libc::EISDIR),
        ] {
            let error = loaded.load(&path).unwrap_err();
            assert_eq!(
                (error.reason(), error.errno()),
                (Some(Reason::IoFailed), errno)
            );
        }
        // Endless, and no key.
        let error = loaded.load("/dev/zero").unwrap_err();
        assert_eq!(error.reason(), Some(Reason::InvalidKey));
        assert_eq!(loaded.public_key(), wrapper(OTHER_KEY).public_key());
    }
}
