// SPDX-License-Identifier: GPL-2.0

//! A second process of this program, which is given VFIO devices and migrates them.

use acc_vfio_user::{
    migrate::{load, save, Quiet},
    vfio::Device,
    Result,
};
use std::{
    io::{Read, Write},
    os::{
        fd::OwnedFd,
        unix::net::UnixStream, //
    },
    process::{Child, Command, Stdio},
};
use vmm_sys_util::sock_ctrl_msg::ScmSocket;

/// What it is asked to do, a byte; it answers with [`DONE`] or the text of an error.
const TAKE: u8 = b't';
const SAVE: u8 = b's';
const LOAD: u8 = b'l';
const DONE: u8 = b'.';

/// The other process, as seen from here.
pub struct Hand {
    child: Child,
    socket: UnixStream,
}

impl Hand {
    pub fn new() -> Result<Self> {
        let (socket, other) = UnixStream::pair()?;
        let child = Command::new("/proc/self/exe")
            .arg("hand")
            .stdin(Stdio::from(OwnedFd::from(other)))
            .spawn()?;
        Ok(Self { child, socket })
    }

    /// Gives it a device: the source first, the target second.
    pub fn give(&mut self, device: &Device) -> Result<()> {
        self.socket.send_with_fd(&[TAKE][..], device.fd())?;
        self.answer()
    }

    /// Has it stop and save the source.
    pub fn save(&mut self) -> Result<()> {
        self.socket.write_all(&[SAVE])?;
        self.answer()
    }

    /// Has it load that into the target.
    pub fn load(&mut self) -> Result<()> {
        self.socket.write_all(&[LOAD])?;
        self.answer()
    }

    fn answer(&mut self) -> Result<()> {
        let mut answer = vec![0; 1024];
        let n = self.socket.read(&mut answer)?;
        match &answer[..n] {
            [DONE] => Ok(()),
            text => Err(format!("the other process: {}", String::from_utf8_lossy(text)).into()),
        }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        let _ = self.child.wait();
    }
}

/// The other process: it does as it is asked, until nobody is there to ask.
pub fn serve() -> Result<()> {
    let mut socket =
        UnixStream::from(std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned()?);
    let mut devices = Vec::new();
    let mut stream = Vec::new();
    loop {
        let mut request = [0];
        let (n, file) = socket.recv_with_fd(&mut request)?;
        if n == 0 {
            return Ok(());
        }
        let serve = || -> Result<()> {
            match (request[0], file, &devices[..]) {
                (TAKE, Some(file), _) => devices.push(Device::from_file(file)),
                (SAVE, None, [source, ..]) => stream = save(source, true, &mut Quiet)?,
                (LOAD, None, [_, target]) => load(target, &stream, &mut Quiet)?,
                _ => return Err("not understood".into()),
            }
            Ok(())
        };
        match serve() {
            Ok(()) => socket.write_all(&[DONE])?,
            Err(e) => socket.write_all(e.to_string().as_bytes())?,
        }
    }
}
