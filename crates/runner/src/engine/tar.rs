//! As much of the tar format (POSIX.1-2017, pax, section "ustar Interchange Format") as an image of one program needs.

/// Headers, and content, come in blocks of this size.
pub(super) const BLOCK: usize = 512;

/// What an entry is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Directory,
    File { size: u64 },
}

/// The header of an entry. `path` has at most 100 bytes; a file has at most 8 GiB.
pub(super) fn header(path: &str, kind: Kind, mode: u32, owner: u32) -> [u8; BLOCK] {
    let (size, flag) = match kind {
        Kind::Directory => (0, b'5'),
        Kind::File { size } => (size, b'0'),
    };
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &str| {
        block[at..at + text.len()].copy_from_slice(text.as_bytes());
    };
    put(0, path);
    put(100, &format!("{mode:07o}"));
    put(108, &format!("{owner:07o}"));
    put(116, &format!("{owner:07o}"));
    put(124, &format!("{size:011o}"));
    // The time of its last change: the same each time, so that the same program is the same layer.
    put(136, "00000000000");
    put(257, "ustar");
    put(263, "00");
    block[156] = flag;
    // The sum is that of the block with spaces in its own place.
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

/// What fills a file's last block.
pub(super) fn padding(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    (BLOCK - over) % BLOCK
}

/// What ends an archive.
pub(super) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    /// Against tar itself, which is on every machine that builds this.
    #[test]
    fn tar_reads_what_is_written() {
        let mut archive = header("d/", Kind::Directory, 0o1777, 1000).to_vec();
        archive.extend(header("d/f", Kind::File { size: 5 }, 0o755, 0));
        archive.extend(b"hello");
        archive.resize(archive.len() + padding(5), 0);
        archive.extend(END);

        let mut tar = Command::new("tar")
            .args(["--numeric-owner", "--utc", "-tvf", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tar is there");
        let mut input = tar.stdin.take().expect("it is piped");
        input.write_all(&archive).expect("it reads");
        drop(input);
        let listed = tar.wait_with_output().expect("it ends");

        let listed = String::from_utf8(listed.stdout).expect("text");
        let words = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let lines: Vec<_> = listed.lines().map(words).collect();
        assert_eq!(lines.len(), 2, "{listed}");
        assert_eq!(lines[0][..2], ["drwxrwxrwt", "1000/1000"]);
        assert_eq!(lines[1][..3], ["-rwxr-xr-x", "0/0", "5"]);
        assert_eq!((lines[0][5].as_str(), lines[1][5].as_str()), ("d/", "d/f"));
    }

    #[test]
    fn files_end_with_their_block() {
        let paddings = [0, 1, 511, 512, 513].map(padding);
        assert_eq!(paddings, [0, 511, 1, 0, 511]);
    }
}
