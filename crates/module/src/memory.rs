//! Gives back what only starting needed.
//!
//! A module is one part of a program that holds all of them, and starting runs through much code once. Linux maps the
//! neighbourhood of every page of it, 64 KiB at a time, and leaves it mapped: 5 of a module's 7 MiB. Unmapped, the
//! pages stay in the page cache, where the module finds those it works with again; it keeps 3 MiB resident.

use std::ffi::c_void;
use std::fs;
use std::ptr;

use rustix::mm::{Advice, madvise};

/// Unmaps the program's code until it is used again. Where that cannot be had, nothing changes.
pub(crate) fn give_back_start() {
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else {
        return;
    };
    for (start, end) in code(&maps, &program.to_string_lossy()) {
        let (start, length) = (ptr::without_provenance_mut::<c_void>(start), end - start);
        // SAFETY: the range is a read-only, never written mapping of the program's own file, so whoever looks at it
        // next, this very function included, is given the same bytes from the file.
        #[expect(unsafe_code, reason = "the advice is about raw memory")]
        let given_back = unsafe { madvise(start, length, Advice::LinuxDontNeed) };
        if let Err(error) = given_back {
            tracing::debug!(%error, "what starting needed cannot be given back");
        }
    }
}

/// Where the program's code is mapped: private, executable and not writable, so that nothing but the file is in it.
fn code<'a>(maps: &'a str, program: &'a str) -> impl Iterator<Item = (usize, usize)> + 'a {
    maps.lines().filter_map(move |line| {
        let mut fields = line.split_ascii_whitespace();
        let (range, rights) = (fields.next()?, fields.next()?);
        let path = line.get(line.find('/')?..)?;
        if rights != "r-xp" || path != program {
            return None;
        }
        let (start, end) = range.split_once('-')?;
        Some((
            usize::from_str_radix(start, 16).ok()?,
            usize::from_str_radix(end, 16).ok()?,
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_programs_code_is_given_back() {
        let maps = "\
7f437f000000-7f437f2cf000 r--p 00000000 fe:00 5629872                    /opt/a cow/cow
7f437f2cf000-7f437fba2000 r-xp 002ce000 fe:00 5629872                    /opt/a cow/cow
7f437fba2000-7f437fbd8000 r--p 00ba0000 fe:00 5629872                    /opt/a cow/cow
7f437fbd8000-7f437fbdd000 rw-p 00bd5000 fe:00 5629872                    /opt/a cow/cow
7f437fc00000-7f437fc30000 r-xp 00000000 fe:00 5629999                    /lib/libc.so.6
55555c3a9000-55555c3ed000 rw-p 00000000 00:00 0                          [heap]
7f437fc2e000-7f437fc30000 r-xp 00000000 00:00 0                          [vdso]
";
        let found: Vec<_> = code(maps, "/opt/a cow/cow").collect();
        assert_eq!(found, [(0x7f43_7f2c_f000, 0x7f43_7fba_2000)]);
    }

    #[test]
    fn the_program_goes_on_without_its_code_mapped() {
        let resident = || {
            let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
            let shared = statm.split(' ').nth(2).expect("a third figure");
            shared.parse::<usize>().expect("pages")
        };
        let program = std::env::current_exe().expect("a test is a file");
        let maps = fs::read_to_string("/proc/self/maps").expect("Linux");
        assert_ne!(code(&maps, &program.to_string_lossy()).count(), 0);
        let before = resident();
        give_back_start();
        assert!(resident() < before, "{before} pages before");
    }
}
