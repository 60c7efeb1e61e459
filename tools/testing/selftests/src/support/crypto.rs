// SPDX-License-Identifier: GPL-2.0

//! The in-tree drivers of the PFs, which register with the kernel's crypto API, and its self-tests.

use crate::twin::Twin;
use acc_vfio_user::{
    ensure,
    host::{self, Accelerator, Debugfs, Function},
    Result,
};
use hisi_acc_hw::Engine;

/// What an in-tree driver registers with the kernel's crypto API, by the bits of the capability
/// register that its device shows: `cra_driver_name` and the bits of which one is needed.
pub fn algorithms(accelerator: Accelerator) -> Vec<(String, u64)> {
    let sec = |name: &str, bit: u32| (format!("hisi_sec_{name}"), 1 << bit);
    match accelerator.0 {
        // zip_crypto.c: HZIP_ALG_DEFLATE, HZIP_ALG_LZ4
        Engine::Zip => vec![
            ("hisi-deflate-acomp".into(), 0x30),
            ("hisi-lz4-acomp".into(), 0x180),
        ],
        // sec_skciphers, sec_aeads of sec2/sec_crypto.c
        Engine::Sec => vec![
            sec("ecb(aes)", 0),
            sec("cbc(aes)", 1),
            sec("ctr(aes)", 2),
            sec("xts(aes)", 3),
            sec("cbc(sm4)", 12),
            sec("ctr(sm4)", 13),
            sec("xts(sm4)", 14),
            sec("ecb(des3_ede)", 23),
            sec("cbc(des3_ede)", 24),
            sec("ccm(aes)", 6),
            sec("gcm(aes)", 7),
            sec("ccm(sm4)", 17),
            sec("gcm(sm4)", 18),
            sec("authenc(hmac(sha1),cbc(aes))", 43),
            sec("authenc(hmac(sha256),cbc(aes))", 44),
            sec("authenc(hmac(sha512),cbc(aes))", 45),
        ],
        // HPRE_DRV_*_MASK_CAP of hpre/hpre_crypto.c
        Engine::Hpre => vec![
            ("hpre-rsa".into(), 1 << 0),
            ("hpre-dh".into(), 1 << 1),
            ("hpre-ecdh-nist-p192".into(), 1 << 2),
            ("hpre-ecdh-nist-p256".into(), 1 << 2),
            ("hpre-ecdh-nist-p384".into(), 1 << 2),
        ],
    }
}

/// What the device shows of the algorithms that drivers are to register: `*_DRV_ALG_BITMAP`, as the
/// driver read it.
pub fn shown(pf: &Function, accelerator: Accelerator) -> Result<u64> {
    let text = Debugfs::of(accelerator, pf).read("cap_regs")?;
    let prefix = accelerator.name.to_uppercase();
    if let Some(all) = Debugfs::find(&text, &format!("{prefix}_DRV_ALG_BITMAP"))? {
        return Ok(all);
    }
    let half = |which: &str| -> Result<u64> {
        let name = format!("{prefix}_DRV_ALG_BITMAP_{which}");
        Ok(Debugfs::find(&text, &name)?.ok_or_else(|| format!("cap_regs has no {name}"))?)
    };
    Ok(half("LOW")? | (half("HIGH")? << 32))
}

/// A field of an entry of /proc/crypto.
pub fn field<'a>(entry: &'a str, name: &str) -> &'a str {
    entry
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().strip_prefix(':'))
        .map_or("", str::trim)
}

/// The entries of /proc/crypto of a module. While one is tested there is a second entry for it,
/// whose module is the kernel's.
pub fn registered(module: &str) -> Result<Vec<(String, String)>> {
    Ok(std::fs::read_to_string("/proc/crypto")?
        .split("\n\n")
        .filter(|entry| field(entry, "module") == module)
        .map(|entry| {
            (
                field(entry, "driver").to_owned(),
                field(entry, "selftest").to_owned(),
            )
        })
        .collect())
}

/// Unbinds the PF, which has no VFs any more then: that its driver takes them away when it is
/// unbound is not these cases' business.
pub fn unbind(accelerator: Accelerator) -> Result<()> {
    accelerator.vfs(0)?;
    tested(accelerator)?;
    accelerator.pf()?.unbind()
}

/// Waits until none of the module's algorithms is under test: a driver that is unbound while one is
/// cannot unregister it.
pub fn tested(accelerator: Accelerator) -> Result<()> {
    host::wait_for("the self-tests", || {
        std::fs::read_to_string("/proc/crypto").is_ok_and(|text| {
            text.split("\n\n")
                .filter(|entry| field(entry, "module") == accelerator.module)
                .all(|entry| field(entry, "selftest") != "unknown" && field(entry, "refcnt") == "1")
        })
    })
    .or_else(|e| Twin::open_device(accelerator.name)?.explained("pf", Err(e)))
}

/// The self-tests of the kernel's crypto API pass for all that the in-tree driver has to register,
/// by what the device shows; the engine of the PF, not a fallback, did the work.
pub fn selftest(accelerator: Accelerator) -> Result<()> {
    let twin = Twin::open_device(accelerator.name)?;
    // The tests run when the driver registers.
    unbind(accelerator)?;
    twin.mark()?;
    let pf = accelerator.bound_pf()?;
    let shown = shown(&pf, accelerator)?;
    let mut wanted: Vec<String> = algorithms(accelerator)
        .into_iter()
        .filter(|(_, bits)| bits & shown != 0)
        .map(|(name, _)| name)
        .collect();
    wanted.sort();
    ensure!(!wanted.is_empty(), "nothing to register by {shown:#x}");
    host::wait_for("the self-tests", || {
        registered(accelerator.module).is_ok_and(|all| {
            all.len() >= wanted.len() && all.iter().all(|(_, result)| result != "unknown")
        })
    })?;
    let mut found = registered(accelerator.module)?;
    found.sort();
    let names: Vec<&String> = found.iter().map(|(name, _)| name).collect();
    ensure!(
        names == wanted.iter().collect::<Vec<_>>(),
        "registered: {names:?}; by {shown:#x} it should be: {wanted:?}"
    );
    for (name, result) in &found {
        ensure!(result == "passed", "{name}: {result}");
    }
    let complaints: Vec<String> = host::log()?
        .lines()
        .filter(|line| line.contains("alg: ") && found.iter().any(|(name, _)| line.contains(name)))
        .map(str::to_owned)
        .collect();
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    // "passed" is also what is shown where nothing was tested: the engine must have worked.
    let done = twin.counts()?.get("pf", "jobs_done");
    ensure!(
        done >= wanted.len() as u64,
        "the engine has done {done} jobs for {} algorithms",
        wanted.len()
    );
    Ok(())
}
