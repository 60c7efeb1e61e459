// SPDX-License-Identifier: GPL-2.0

//! Deliberate defects of the logic: whether random runs find each of them.
//!
//! A defect is a small replacement in a source, as in `tools/mutants`. It is made in a copy of the
//! crates, and the copy is built and run.

use serde::Deserialize;
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// What the copy has of the tree.
const COPIED: [&str; 6] = [
    "drivers/hw",
    "drivers/track",
    "rust/dma_log",
    "tools/hostkernel",
    "tools/twin/model",
    "tools/cosim",
];
/// The members of the workspace that are in the copy.
const MEMBERS: [&str; 4] = ["cosim", "hostkernel", "hostkernel/macros", "twin/model"];

/// A defect.
#[derive(Deserialize)]
pub struct Defect {
    pub id: String,
    /// The source that has it
    pub file: PathBuf,
    /// What is wrong
    pub slip: String,
    /// What comes before it
    #[serde(default)]
    pub after: String,
    pub old: String,
    pub new: String,
}

#[derive(Deserialize)]
struct List {
    defect: Vec<Defect>,
}

/// All defects.
pub fn all() -> Vec<Defect> {
    let list: List = toml::from_str(include_str!("../defects.toml")).expect("a list of defects");
    list.defect
}

impl Defect {
    /// Makes the defect in the text of its file; `None` where its place is not there.
    pub fn make(&self, text: &str) -> Option<String> {
        let from = text.find(&self.after)?;
        let at = from + text[from..].find(&self.old)?;
        Some([&text[..at], &self.new, &text[at + self.old.len()..]].concat())
    }
}

/// The tree that this was built from.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn succeeds(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(text))
}

/// Copies the crates into a folder.
fn copy(folder: &Path) -> io::Result<()> {
    let top = top();
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    for part in COPIED {
        let to = folder.join(part);
        fs::create_dir_all(to.parent().unwrap_or(folder))?;
        // Times stay, so that only what has a defect is compiled anew.
        succeeds(Command::new("cp").arg("-a").arg(top.join(part)).arg(&to))?;
    }
    let manifest = fs::read_to_string(top.join("tools/Cargo.toml"))?;
    let mut table: toml::Table = toml::from_str(&manifest).map_err(io::Error::other)?;
    let workspace = table
        .get_mut("workspace")
        .and_then(toml::Value::as_table_mut);
    let members = toml::Value::from(MEMBERS.to_vec());
    workspace
        .ok_or_else(|| io::Error::other("no workspace"))?
        .insert("members".to_owned(), members);
    // Its packages are not here.
    table.remove("profile");
    fs::write(folder.join("tools/Cargo.toml"), table.to_string())?;
    let lock = top.join("tools/Cargo.lock");
    if lock.exists() {
        fs::copy(lock, folder.join("tools/Cargo.lock"))?;
    }
    Ok(())
}

/// What random runs say of a defect.
pub struct Found {
    /// How many steps it took; `None` where it was not found
    pub steps: Option<u64>,
}

/// Builds the copy in `folder` with each defect in turn, and has random runs look for it for so
/// many steps at most.
pub fn look(
    folder: &Path,
    pattern: &str,
    steps: u64,
    mut each: impl FnMut(&Defect, Found),
) -> io::Result<()> {
    // Cargo runs elsewhere.
    fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let tree = folder.join("tree");
    copy(&tree)?;
    for defect in all().iter().filter(|defect| defect.id.contains(pattern)) {
        let file = tree.join(&defect.file);
        let right = fs::read_to_string(&file)?;
        let wrong = defect
            .make(&right)
            .ok_or_else(|| io::Error::other(format!("{}: its place is not there", defect.id)))?;
        fs::write(&file, wrong)?;
        succeeds(
            Command::new("cargo")
                .args(["build", "--release", "-q", "-p", "acc-cosim"])
                .current_dir(tree.join("tools"))
                .env("CARGO_TARGET_DIR", folder.join("target")),
        )?;
        let output = Command::new(folder.join("target/release/cosim"))
            .args(["run", "--seed", "1", "--steps", &steps.to_string()])
            .output()?;
        fs::write(&file, right)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        fs::write(folder.join(format!("{}.log", defect.id)), &text)?;
        // `found after N steps`: before it was made shorter
        let found = text.lines().find_map(|line| {
            let steps = line.strip_prefix("lost after ")?.strip_suffix(" steps")?;
            steps.parse().ok()
        });
        each(defect, Found { steps: found });
    }
    Ok(())
}
