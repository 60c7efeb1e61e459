// SPDX-License-Identifier: GPL-2.0

//! Messages to the harness, over the port that the guest has for them.

use acc_case::{Message, RESULTS_PORT};
use acc_vfio_user::{host, Result};
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock},
};

/// Finds the device of a port by the name of the port.
fn device(name: &str) -> Option<PathBuf> {
    let ports = fs::read_dir("/sys/class/virtio-ports").ok()?;
    ports
        .filter_map(|port| Some(port.ok()?.path()))
        .find(|port| host::read(port.join("name")).is_ok_and(|found| found == name))
        .and_then(|port| Some(Path::new("/dev").join(port.file_name()?)))
}

/// Opens the port for messages. A guest that a person works in has none.
fn open() -> Result<Option<Mutex<File>>> {
    let Some(path) = device(RESULTS_PORT) else {
        return Ok(None);
    };
    let file = OpenOptions::new().write(true).open(&path);
    let file = file.map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(Some(Mutex::new(file)))
}

/// Hands a message to the harness, if it listens.
pub fn tell(message: &Message) -> Result<()> {
    static PORT: OnceLock<std::result::Result<Option<Mutex<File>>, String>> = OnceLock::new();
    let port = PORT.get_or_init(|| open().map_err(|e| e.to_string()));
    let Some(port) = port.as_ref().map_err(String::as_str)? else {
        return Ok(());
    };
    let line = message.line()? + "\n";
    let mut file = port.lock().map_err(|_| "a thread has panicked")?;
    Ok(file.write_all(line.as_bytes())?)
}
