use super::*;

#[test]
fn pieces_of_a_file_have_each_line_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("x.ndjson");
    let all: Vec<_> = (0..200).map(|number| format!("{{\"n\":{number}}}")).collect();
    let all = all.join("\n\n");
    std::fs::write(&path, &all).expect("written");
    let path: Arc<Path> = path.into();
    for size in [1, 7, 8, 9, 100, 5_000] {
        let count = (all.len() as u64).div_ceil(size);
        let piece = |index: u64| Piece {
            path: path.clone(),
            start: index * size,
            end: if index + 1 == count { u64::MAX } else { (index + 1) * size },
            lines: AtomicU64::new(0),
        };
        let inputs = Inputs { first: 0, pieces: (0..count).map(piece).collect() };
        let mut found = Vec::new();
        for (number, piece) in (0..).zip(&inputs.pieces) {
            let read = piece.read(&ProgressBar::hidden(), &mut |line, what| {
                let Found::Resource { text, .. } = what else { return Err(Failure::new("unusable")) };
                let line = u32::try_from(line).expect("few lines");
                found.push((Place { piece: number, line }, String::from_utf8_lossy(text).into_owned()));
                Ok(())
            });
            read.expect("read");
        }
        assert_eq!(found.len(), 200, "pieces of {size}");
        for (number, (place, text)) in found.iter().enumerate() {
            assert_eq!(*text, format!("{{\"n\":{number}}}"));
            assert!(
                inputs.name(*place).ends_with(&format!(":{}", 2 * number + 1)),
                "{}",
                inputs.name(*place)
            );
        }
    }
}
