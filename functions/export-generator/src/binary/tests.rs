use super::*;

#[test]
fn decoded_pieces_join_to_the_whole_binary() {
    let bytes: Vec<u8> = (0..=255).cycle().take(PIECE * 2 + 7).collect();
    let mut text = STANDARD.encode(&bytes);
    text.insert_str(100, "\n  ");
    let decoded = Pieces::of(&text).flat_map(|piece| STANDARD.decode(piece).expect("base64"));
    assert_eq!(decoded.collect::<Vec<_>>(), bytes);
}
