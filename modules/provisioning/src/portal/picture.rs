//! A set-up code in a picture of a QR code.
//!
//! Browsers give their cameras, and their own reader of codes, only to pages that came over TLS; this one does not. But
//! every phone takes a picture for a file field, and every browser can turn that into grey: what arrives here is one
//! byte of brightness for each pixel, row by row, which the browser has made small enough to send.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::body::Bytes;
use rqrr::PreparedImage;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

/// The most pixels looked at: the page sends at most 1200 × 1200.
pub(super) const MOST_PIXELS: usize = 1_500_000;
/// A code has 21 modules or more to a side.
const LEAST_SIDE: usize = 21;
/// As it came, at half and at a quarter of the size, where what a camera adds of noise is gone.
const SIZES: usize = 3;

/// A picture of a code takes a tenth of this on the slowest board. One made of nothing but the marks in a code's corners
/// takes as long as it likes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads one picture at a time.
#[derive(Debug)]
pub(super) struct Reader(Arc<Semaphore>);

/// A picture that came before is still being read.
#[derive(Debug)]
pub(super) struct Busy;

impl Default for Reader {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Reader {
    pub(super) async fn read(&self, grey: Bytes, width: usize) -> Result<Option<String>, Busy> {
        let turn = Arc::clone(&self.0).try_acquire_owned().map_err(|_| Busy)?;
        let (sender, found) = oneshot::channel();
        // Not a thread of the runtime's: that would wait for it before the process could end.
        let reading = thread::Builder::new().spawn(move || {
            let text = read(&grey, width);
            // The next one may follow as soon as this one is answered.
            drop(turn);
            let _ = sender.send(text);
        });
        match reading {
            Ok(_) => Ok(timeout(PATIENCE, found)
                .await
                .ok()
                .and_then(Result::ok)
                .flatten()),
            Err(_) => Err(Busy),
        }
    }
}

/// The first text found in a picture; `None` when it shows no code that can be read, or is no picture of that width.
fn read(grey: &[u8], width: usize) -> Option<String> {
    if width < LEAST_SIDE || grey.len() > MOST_PIXELS || !grey.len().is_multiple_of(width) {
        return None;
    }
    let mut picture = (grey.to_vec(), width, grey.len() / width);
    for _ in 0..SIZES {
        let (grey, width, height) = &picture;
        if *width.min(height) < LEAST_SIDE {
            return None;
        }
        if let Some(text) = find(grey, *width, *height) {
            return Some(text);
        }
        picture = halve(grey, *width, *height);
    }
    None
}

fn find(grey: &[u8], width: usize, height: usize) -> Option<String> {
    let mut picture =
        PreparedImage::prepare_from_greyscale(width, height, |x, y| grey[y * width + x]);
    let codes = picture.detect_grids();
    codes
        .iter()
        .find_map(|code| code.decode().ok())
        .map(|(_, text)| text)
}

fn halve(grey: &[u8], width: usize, height: usize) -> (Vec<u8>, usize, usize) {
    let (half_width, half_height) = (width / 2, height / 2);
    let at = |x: usize, y: usize| u16::from(grey[y * width + x]);
    let half = (0..half_height)
        .flat_map(|y| (0..half_width).map(move |x| (2 * x, 2 * y)))
        .map(|(x, y)| {
            let sum = at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1);
            u8::try_from(sum / 4).unwrap_or(u8::MAX)
        })
        .collect();
    (half, half_width, half_height)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A set-up code as the modules of a QR code, one line a row.
    const CODE: &str = include_str!("fixtures/code.txt");
    /// What it holds.
    const TEXT: &str = "cow:setup?idScope=0ne00112233&registrationId=10000000abcdef01\
                        &symmetricKey=dGhpcyBpcyBub3QgYSByZWFsIGtleSwganVzdCBhIHRlc3Q%3D";

    /// A picture of the code: so many pixels to a module, turned, on a grey ground, unevenly lit.
    fn picture(pixels: f64, degrees: f64, noise: u8) -> (Vec<u8>, usize) {
        let rows: Vec<&[u8]> = CODE.lines().map(str::as_bytes).collect();
        let modules = rows.len() as f64;
        let width = (modules * pixels * 1.7) as usize;
        let (sin, cos) = degrees.to_radians().sin_cos();
        let mut random = 1_u32;
        let mut grey = Vec::new();
        for y in 0..width {
            for x in 0..width {
                let (dx, dy) = (x as f64 - width as f64 / 2.0, y as f64 - width as f64 / 2.0);
                let column = (dx * cos + dy * sin) / pixels + modules / 2.0;
                let row = (dy * cos - dx * sin) / pixels + modules / 2.0;
                let on_code = (0.0..modules).contains(&row) && (0.0..modules).contains(&column);
                let dark = on_code && rows[row as usize][column as usize] == b'#';
                let light = 150.0 + 80.0 * x as f64 / width as f64;
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (random >> 24) as f64 / 255.0 * f64::from(noise);
                grey.push((light * if dark { 0.25 } else { 0.9 } + noise) as u8);
            }
        }
        (grey, width)
    }

    #[test]
    fn a_code_is_read_however_the_phone_was_held() {
        for (pixels, degrees, noise) in [
            (4.0, 0.0, 0),
            (6.0, 90.0, 0),
            (6.0, 7.0, 20),
            (5.3, 200.0, 20),
            (9.0, 60.0, 60),
        ] {
            let (grey, width) = picture(pixels, degrees, noise);
            let text = read(&grey, width);
            assert_eq!(text.as_deref(), Some(TEXT), "{pixels} {degrees} {noise}");
        }
    }

    #[test]
    fn what_shows_no_code_reads_as_none() {
        assert_eq!(read(&[], 0), None);
        assert_eq!(read(&[0; 100], 100), None);
        assert_eq!(read(&[0; 401], 20), None);
        assert_eq!(read(&vec![255; 200 * 200], 200), None);
        assert_eq!(read(&vec![0; 200 * 200 + 1], 200), None);
        assert_eq!(read(&vec![0; 1300 * 1300], 1300), None);
    }

    #[tokio::test]
    async fn one_picture_is_read_at_a_time() {
        let reader = Reader::default();
        let turn = Arc::clone(&reader.0).try_acquire_owned().expect("a turn");
        let (grey, width) = picture(4.0, 0.0, 0);
        let grey = Bytes::from(grey);
        assert!(reader.read(grey.clone(), width).await.is_err());
        drop(turn);
        let text = reader.read(grey, width).await.expect("a turn");
        assert_eq!(text.as_deref(), Some(TEXT));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Damage may cost the text, never the process.
        #[test]
        fn a_damaged_picture_is_no_panic(
            marks in proptest::collection::vec((any::<prop::sample::Index>(), 1_usize..4000, any::<u8>()), 0..40),
        ) {
            let (mut grey, width) = picture(4.0, 0.0, 30);
            for (at, length, brightness) in marks {
                let at = at.index(grey.len());
                let end = grey.len().min(at + length);
                grey[at..end].fill(brightness);
            }
            read(&grey, width);
        }
    }
}
