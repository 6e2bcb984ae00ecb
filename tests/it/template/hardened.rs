//! What protects a function that `sam build` made against its own defects: its code and data are at addresses that nobody can guess,
//! its stack is not executable, and the tables of addresses that the loader fills are read-only before `main` (full RELRO).
//! `functions/.cargo/config.toml` sets options of the linker, with which none of these may be lost.

use object::Endianness;
use object::elf::{
    DF_BIND_NOW, DT_FLAGS, Dyn64, ET_DYN, FileHeader64, PF_X, PT_DYNAMIC, PT_GNU_RELRO, PT_GNU_STACK,
};
use object::read::elf::{FileHeader, ProgramHeader};

use crate::house::root;

const FIXED: &str = "the code is at a fixed address";
const EXECUTABLE: &str = "the stack is executable";
const WRITABLE: &str = "the tables of the loader stay writable";
const LATE: &str = "functions of libraries are found at their first call, so their table stays writable";

type Header = FileHeader64<Endianness>;

/// Returns the first protection that an ELF program does not have.
fn missing(program: &[u8]) -> object::Result<Option<&'static str>> {
    let header = Header::parse(program)?;
    let endian = header.endian()?;
    if header.e_type(endian) != ET_DYN {
        return Ok(Some(FIXED));
    }
    let segments = header.program_headers(endian, program)?;
    let of_kind = |kind| segments.iter().find(|segment| segment.p_type(endian) == kind);
    if of_kind(PT_GNU_STACK).is_none_or(|stack| stack.p_flags(endian) & PF_X != 0) {
        return Ok(Some(EXECUTABLE));
    }
    if of_kind(PT_GNU_RELRO).is_none() {
        return Ok(Some(WRITABLE));
    }
    let Some(dynamic) = of_kind(PT_DYNAMIC) else { return Ok(Some(LATE)) };
    let binds_now = |entry: &Dyn64<Endianness>| {
        entry.d_tag.get(endian) == DT_FLAGS && entry.d_val.get(endian) & u64::from(DF_BIND_NOW) != 0
    };
    let entries = dynamic.dynamic(endian, program)?.unwrap_or_default();
    Ok((!entries.iter().any(binds_now)).then_some(LATE))
}

#[test]
#[ignore = "cargo xtask test builds the functions that it needs"]
fn every_built_function_has_all_protections() -> tests::Result {
    let mut checked = 0;
    for entry in std::fs::read_dir(root().join("target/sam/debug"))? {
        let program = entry?.path().join("bootstrap");
        if program.exists() {
            assert_eq!(missing(&std::fs::read(&program)?)?, None, "{}", program.display());
            checked += 1;
        }
    }
    assert!(checked >= 11, "there are {checked} functions");
    Ok(())
}

#[test]
fn each_missing_protection_is_found() -> tests::Result {
    // The program of this test, which cargo links with all protections.
    let program = std::fs::read(std::env::current_exe()?)?;
    assert_eq!(missing(&program)?, None);

    let header = Header::parse(&*program)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, &*program)?;
    // Where the description of a segment begins in the file.
    let at = |kind| {
        let number = segments.iter().position(|one| one.p_type(endian) == kind).expect("a segment");
        usize::try_from(header.e_phoff(endian)).expect("small")
            + number * usize::from(header.e_phentsize(endian))
    };
    let dynamic = segments.iter().find(|one| one.p_type(endian) == PT_DYNAMIC).expect("a segment");
    let entries = usize::try_from(dynamic.p_offset(endian))?
        ..usize::try_from(dynamic.p_offset(endian) + dynamic.p_filesz(endian))?;
    let damaged = |damage: &dyn Fn(&mut [u8])| {
        let mut program = program.clone();
        damage(&mut program);
        missing(&program)
    };
    // The type of the file is in its bytes 16 and 17; the flags of a segment follow its kind, which has four bytes.
    assert_eq!(damaged(&|program| program[16] = 2)?, Some(FIXED));
    assert_eq!(damaged(&|program| program[at(PT_GNU_STACK) + 4] |= 1)?, Some(EXECUTABLE));
    assert_eq!(damaged(&|program| program[at(PT_GNU_RELRO)..][..4].fill(0))?, Some(WRITABLE));
    let without_flags = |program: &mut [u8]| {
        for entry in program[entries.clone()].chunks_exact_mut(16) {
            if entry[..8] == DT_FLAGS.to_le_bytes() {
                entry[8..].fill(0);
            }
        }
    };
    assert_eq!(damaged(&without_flags)?, Some(LATE));
    Ok(())
}
