//! The key file: 32 random octets under which phone passwords are sealed.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use imps_service::services::SealKey;

/// Its name in the data folder.
pub(crate) const FILE: &str = "phone.key";

/// Who but its owner may do anything with it: nobody.
pub(crate) const MODE: u32 = 0o600;

/// What is in the place of the key file.
pub(crate) enum KeyFile {
    Present(SealKey),
    Missing,
}

/// Where it is.
pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Reads the key.
pub(crate) fn read(folder: &Path) -> Result<KeyFile, String> {
    let path = path(folder);
    let fails = |error: io::Error| format!("cannot read the key file {}: {error}", path.display());
    let mut file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(KeyFile::Missing),
        Err(error) => return Err(fails(error)),
    };
    let mut octets = Vec::with_capacity(33);
    Read::by_ref(&mut file).take(33).read_to_end(&mut octets).map_err(fails)?;
    match <[u8; 32]>::try_from(octets) {
        Ok(octets) => Ok(KeyFile::Present(SealKey::new(octets))),
        Err(_) => {
            Err(format!("the key file {} is damaged: it must have 32 octets; restore it from a backup", path.display()))
        }
    }
}

/// Makes a new key. It is on the disk when this returns: what is sealed under it must never outlive it.
pub(crate) fn create(folder: &Path) -> Result<SealKey, String> {
    let path = path(folder);
    let key = random()?;
    let write = || {
        // Beside it first: a crash between the two leaves no half key.
        let new = folder.join(format!("{FILE}.new"));
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&new)?;
        file.write_all(key.expose())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        fs::File::open(folder)?.sync_all()
    };
    write().map_err(|error| format!("cannot write the key file {}: {error}", path.display()))?;
    Ok(key)
}

/// A key that is kept nowhere.
pub(crate) fn random() -> Result<SealKey, String> {
    let mut octets = [0; 32];
    getrandom::fill(&mut octets).map_err(|error| format!("no random numbers: {error}"))?;
    Ok(SealKey::new(octets))
}

/// The permissions of the key file, if it is there.
pub(crate) fn mode(folder: &Path) -> io::Result<u32> {
    Ok(fs::metadata(path(folder))?.permissions().mode() & 0o777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_again() {
        let folder = std::env::temp_dir().join(format!("hamlet-key-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        assert!(matches!(read(&folder), Ok(KeyFile::Missing)));
        let made = create(&folder).unwrap();
        let Ok(KeyFile::Present(read_again)) = read(&folder) else { panic!("no key") };
        assert_eq!(made.expose(), read_again.expose());
        assert_eq!(mode(&folder).unwrap(), MODE);
        fs::write(path(&folder), [1; 31]).unwrap();
        assert!(read(&folder).is_err_and(|error| error.contains("damaged")));
        fs::remove_dir_all(folder).unwrap();
    }
}
