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

/// The environment of a process in Debian.
pub const ENVIRONMENT: [(&str, &str); 3] = [
    ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    ("LANG", "C.UTF-8"),
    ("DEBIAN_FRONTEND", "noninteractive"),
];

/// Mounts a folder by 9p, with more options.
pub fn mount_9p(tag: &str, to: &str, options: &str) -> Result<()> {
    fs::create_dir_all(to)?;
    let nine = format!("trans=virtio,version=9p2000.L,msize=1048576,cache=loose{options}");
    mount(&["-t", "9p", "-o", &nine, tag, to])
}

/// Mounts what a root has of the kernel, and returns the paths in it.
pub fn mount_kernel(root: &str) -> Result<Vec<String>> {
    let in_root = |path: &str| format!("{root}{path}");
    let paths = ["/proc", "/sys", "/sys/kernel/debug", "/dev", "/packages"];
    for path in paths {
        fs::create_dir_all(in_root(path))?;
        mount(&["-o", "bind", path, &in_root(path)])?;
    }
    fs::create_dir_all(in_root("/dev/pts"))?;
    mount(&["-t", "devpts", "devpts", &in_root("/dev/pts")])?;
    Ok(paths.into_iter().chain(["/dev/pts"]).map(in_root).collect())
}

/// Copies the modules of the kernel to a root, without this project's.
pub fn copy_modules(root: &str) -> Result<()> {
    let release = release()?;
    let modules = Path::new("/lib/modules").join(&release);
    let to = Path::new(root).join("usr/lib/modules").join(&release);
    fs::create_dir_all(&to)?;
    for entry in fs::read_dir(modules)? {
        let path: PathBuf = entry?.path();
        let name = path.file_name().ok_or("no name")?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if !OURS.contains(&stem.as_ref()) {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

/// Makes Debian the root of this process. Debian has the modules of the kernel, without this
/// project's, and the packages in `/packages`.
pub fn enter() -> Result<()> {
    mount_9p("debian", ROOT, "")?;
    mount_kernel(ROOT)?;
    for path in ["/run", "/tmp"] {
        mount(&["-t", "tmpfs", "tmpfs", &format!("{ROOT}{path}")])?;
    }
    copy_modules(ROOT)?;
    chroot(ROOT)?;
    env::set_current_dir("/")?;
    for (name, value) in ENVIRONMENT {
        env::set_var(name, value);
    }
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
