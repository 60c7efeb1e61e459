// SPDX-License-Identifier: GPL-2.0

//! The command line.

use crate::{
    commands::{
        bind::{self, How},
        check, diff,
        dirty::Looks,
        setup,
        show::Show,
    },
    decode::{self, Decoded},
    error::{Error, Exit, Result},
    facts::Listing,
    host::{Host, DRIVER},
    output::Output,
    pages, plan,
    watch::Watch,
    why::Why,
};
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use serde::Serialize;
use std::{path::PathBuf, process::ExitCode};

/// Lists, binds, explains and inspects VFs of HiSilicon accelerators (ZIP, SEC2, HPRE) and their
/// migration streams
#[derive(Parser)]
#[command(name = "accvf", version, after_long_help = after_help())]
pub struct Arguments {
    /// Print JSON (Documentation/ABI/testing/accvf-json), errors too
    #[arg(long, global = true)]
    json: bool,
    /// Take /sys, /proc, /boot and /etc from this folder
    #[arg(
        long,
        global = true,
        hide = true,
        value_name = "FOLDER",
        default_value = "/"
    )]
    root: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show all PFs and VFs: driver, IOMMU group, whether a VF migrates, tracking, state, users
    List,
    /// Show each condition of migration of a VF, and what to do if it does not hold
    Why {
        /// PCI address of the VF
        vf: String,
    },
    /// Bind VFs to the VFIO driver. Conditions of migration are checked before
    Bind {
        /// PCI addresses of the VFs
        #[arg(required = true)]
        vfs: Vec<String>,
        #[command(flatten)]
        binding: Binding,
    },
    /// Take VFs away from their drivers, and remove the udev rules of 'bind --persist'
    Unbind {
        /// PCI addresses of the VFs
        #[arg(required = true)]
        vfs: Vec<String>,
    },
    /// Create VFs of a PF that no driver of the host takes, and bind them
    Setup {
        /// PCI address of the PF
        pf: String,
        /// How many VFs the PF has then
        #[arg(long, value_name = "N")]
        vfs: u32,
        #[command(flatten)]
        binding: Binding,
    },
    /// Show a VF: state, what a migration would save now, counters of tracking
    Show {
        /// PCI address of the VF
        vf: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Try whether a VF takes a stream. Nobody may have the VF open: it is reset before and after
    Check {
        /// PCI address of the VF
        vf: String,
        /// A stream, or a migration file of QEMU
        file: PathBuf,
        /// The device in the migration file, if it has several
        #[arg(long, value_name = "NAME")]
        device: Option<String>,
    },
    /// Show a stream field by field: a file that was saved, or a file of QEMU's 'migrate file:PATH'
    Decode {
        file: PathBuf,
        /// Show only this device of a migration file
        #[arg(long, value_name = "NAME")]
        device: Option<String>,
    },
    /// Compare the lists of two hosts: would VFs of the source migrate to the target?
    Plan {
        /// Output of 'accvf list --json' on the source
        source: PathBuf,
        /// Output of 'accvf list --json' on the target
        target: PathBuf,
        /// Only this VF of the source. Given several times: the VFs of one guest
        #[arg(long, value_name = "ADDRESS")]
        vf: Vec<String>,
    },
    /// Compare two streams field by field
    Diff {
        a: PathBuf,
        b: PathBuf,
        /// The device in migration files, if they have several
        #[arg(long, value_name = "NAME")]
        device: Option<String>,
    },
    /// Show how many pages a VF makes dirty, and why all memory was dirty
    Dirty {
        /// PCI address of the VF
        vf: String,
        #[command(flatten)]
        watch: Watch,
    },
    /// Print what this host shows of the hardware, as a text to mail
    Report {
        /// Reset this VF, which no driver may have, and read its registers before and after
        #[arg(long, value_name = "ADDRESS")]
        reset_unused_vf: Option<String>,
    },
    /// Print the completion for a shell
    Completion { shell: Shell },
    /// Write the manual pages into a folder
    #[command(hide = true)]
    Man { folder: PathBuf },
}

/// How VFs are bound.
#[derive(Args)]
struct Binding {
    /// The driver to bind to
    #[arg(long, value_name = "NAME", default_value = DRIVER)]
    driver: String,
    /// Bind although a condition of migration does not hold, or a driver of the host has the VF
    #[arg(long)]
    force: bool,
    /// Also write a udev rule that binds the VF again after a reboot
    #[arg(long)]
    persist: bool,
}

impl Binding {
    fn how(&self) -> How<'_> {
        How {
            driver: &self.driver,
            force: self.force,
            persist: self.persist,
        }
    }
}

/// Returns the text below the options: the exit codes.
fn after_help() -> String {
    let codes = Exit::ALL.iter();
    let lines = codes.map(|(exit, meaning)| format!("\n  {}  {meaning}", *exit as u8));
    format!("Exit codes:{}", lines.collect::<String>())
}

/// Streams of a file, as JSON.
#[derive(Serialize)]
struct Streams {
    streams: Vec<Decoded>,
}

/// The report, as JSON.
#[derive(Serialize)]
struct Report {
    report: String,
}

/// Returns the exit code of an answer.
fn answer(yes: bool) -> Exit {
    match yes {
        true => Exit::Ok,
        false => Exit::No,
    }
}

/// Decodes the streams of a file.
fn decode(output: Output, file: &std::path::Path, device: Option<&str>) -> Result<Exit> {
    let sources = match device {
        Some(device) => vec![decode::read_one(file, Some(device))?],
        None => decode::read(file)?,
    };
    let streams: Vec<Decoded> = sources.iter().map(Decoded::of).collect();
    let good = streams.iter().all(|stream| stream.error.is_none());
    output.print(&Streams { streams }, |all| {
        let texts: Vec<String> = all.streams.iter().map(Decoded::text).collect();
        texts.join("\n")
    })?;
    Ok(match good {
        true => Exit::Ok,
        false => Exit::Malformed,
    })
}

fn run(arguments: &Arguments, output: Output) -> Result<Exit> {
    let host = Host::at(&arguments.root);
    match &arguments.command {
        Command::List => output.print(&Listing::of(&host)?, Listing::text)?,
        Command::Why { vf } => {
            let why = Why::of(&host, &host.vf(vf)?);
            output.print(&why, Why::text)?;
            return Ok(answer(why.holds()));
        }
        Command::Bind { vfs, binding } => {
            let (bound, exit) = bind::bind(&host, vfs, &binding.how())?;
            output.print(&bound, bind::Bound::text)?;
            return Ok(exit);
        }
        Command::Unbind { vfs } => {
            output.print(&bind::unbind(&host, vfs)?, bind::Bound::text)?;
        }
        Command::Setup { pf, vfs, binding } => {
            let (bound, exit) = setup::setup(&host, pf, *vfs, &binding.how())?;
            output.print(&bound, bind::Bound::text)?;
            return Ok(exit);
        }
        Command::Show { vf, watch } => watch.each(!output.json, |_| {
            output.print(&Show::of(&host, &host.vf(vf)?), Show::text)
        })?,
        Command::Check { vf, file, device } => {
            let source = decode::read_one(file, device.as_deref())?;
            let (check, exit) = check::check(&host, vf, &source)?;
            output.print(&check, |check| check.text(&source))?;
            return Ok(exit);
        }
        Command::Decode { file, device } => return decode(output, file, device.as_deref()),
        Command::Plan { source, target, vf } => {
            let plan = plan::plan(&plan::read(source)?, &plan::read(target)?, vf)?;
            output.print(&plan, plan::Plan::text)?;
            return Ok(answer(plan.holds()));
        }
        Command::Diff { a, b, device } => {
            let of = |path| decode::read_one(path, device.as_deref()).map(|one| Decoded::of(&one));
            let diff = diff::diff(&of(a)?, &of(b)?);
            output.print(&diff, diff::Diff::text)?;
            return Ok(answer(diff.is_empty()));
        }
        Command::Dirty { vf, watch } => {
            let mut looks = Looks::at(&host, vf)?;
            watch.each(false, |since| {
                let sample = looks.next(since)?;
                output.print(&sample, |sample| sample.text())
            })?;
        }
        Command::Report { reset_unused_vf } => {
            let report = hw_report::report(host.tree(), reset_unused_vf.as_deref());
            let report = report.map_err(|e| Error::refused(e.to_string(), ""))?;
            output.print(&Report { report }, |report| report.report.clone())?;
        }
        Command::Completion { shell } => pages::completion(Arguments::command(), *shell),
        Command::Man { folder } => pages::man(Arguments::command(), folder)?,
    }
    Ok(Exit::Ok)
}

/// Prints an error and what to do about it.
fn complain(error: &Error, output: Output) {
    if output.json {
        match serde_json::to_string(&error.json()) {
            Ok(json) => eprintln!("{json}"),
            Err(_) => eprintln!("accvf: {error}"),
        }
        return;
    }
    eprintln!("accvf: {error}");
    if !error.advice().is_empty() {
        eprintln!("  -> {}", error.advice());
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output {
        json: arguments.json,
    };
    match run(&arguments, output) {
        Ok(exit) => exit.into(),
        Err(error) => {
            complain(&error, output);
            error.exit().into()
        }
    }
}
