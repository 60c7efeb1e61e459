// SPDX-License-Identifier: GPL-2.0

//! A bare Debian, in which a case does what an operator does. The cases need `debian: true`.

use crate::support::{modules::release, program::mount};
use acc_vfio_user::{ensure, Result};
use std::{
    env, fs,
    os::unix::fs::chroot,
    path::{Path, PathBuf},
    process::Command,
};

/// Where the guest has the root of Debian.
const ROOT: &str = "/debian";
/// What is not of the kernel, of the modules that the guest has.
const OURS: [&str; 4] = [
    "vfio_rs",
    "hisi_acc_link",
    "hisi_acc_vfio_rs",
    "vfio_edu_rs",
];

/// Makes Debian the root of this process. Debian has the modules of the kernel, without this
/// project's, and the packages in `/packages`.
pub fn enter() -> Result<()> {
    let root = Path::new(ROOT);
    let in_root = |path: &str| format!("{ROOT}{path}");
    fs::create_dir_all(root)?;
    let nine = "trans=virtio,version=9p2000.L,msize=1048576,cache=loose";
    mount(&["-t", "9p", "-o", nine, "debian", ROOT])?;
    for path in ["/proc", "/sys", "/sys/kernel/debug", "/dev", "/packages"] {
        mount(&["-o", "bind", path, &in_root(path)])?;
    }
    fs::create_dir_all(in_root("/dev/pts"))?;
    mount(&["-t", "devpts", "devpts", &in_root("/dev/pts")])?;
    for path in ["/run", "/tmp"] {
        mount(&["-t", "tmpfs", "tmpfs", &in_root(path)])?;
    }
    let release = release()?;
    let modules = Path::new("/lib/modules").join(&release);
    let to = root.join("usr/lib/modules").join(&release);
    fs::create_dir_all(&to)?;
    for entry in fs::read_dir(modules)? {
        let path: PathBuf = entry?.path();
        let name = path.file_name().ok_or("no name")?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if !OURS.contains(&stem.as_ref()) {
            fs::copy(&path, to.join(name))?;
        }
    }
    chroot(root)?;
    env::set_current_dir("/")?;
    env::set_var("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    env::set_var("LANG", "C.UTF-8");
    env::set_var("DEBIAN_FRONTEND", "noninteractive");
    sh("depmod")?;
    Ok(())
}

/// Runs commands by Debian's shell, which ends with the first one that fails. Returns what they
/// say.
pub fn sh(commands: &str) -> Result<String> {
    let output = Command::new("/bin/sh")
        .args(["-e", "-x", "-c", commands])
        .output()?;
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    for line in error.lines().chain(out.lines()) {
        println!("# {line}");
    }
    ensure!(output.status.success(), "{}: {out}{error}", output.status);
    Ok(out)
}
