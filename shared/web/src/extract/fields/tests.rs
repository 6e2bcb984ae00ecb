use super::*;

fn fields(urlencoded: &str) -> Fields {
    Fields::decode(urlencoded.as_bytes()).expect("urlencoded")
}

#[test]
fn the_first_value_of_a_repeated_field_is_read() {
    let fields = fields("a=1&b=&a=2&%61=3");
    assert_eq!((fields.find("a"), fields.find("b"), fields.find("c")), (Some("1"), Some(""), None));
    assert_eq!((fields.get("a"), fields.get("c")), ("1", ""));
    assert_eq!(fields.all("a").collect::<Vec<_>>(), ["1", "2", "3"]);
}

/// The name is that of the first repetition, not of the first field that is repeated later.
#[test]
fn the_first_repetition_is_found() {
    assert_eq!(fields("a=1&b=1&b=2&a=2").repeated(&[]), Some("b"));
    assert_eq!(fields("a=1&b=1&b=2&a=2").repeated(&["b"]), Some("a"));
    assert_eq!(fields("a=1&b=1&b=2").repeated(&["b"]), None);
    assert_eq!(fields("").repeated(&[]), None);
}

#[test]
fn fields_keep_their_order_when_some_are_left_out_or_added() -> Result<()> {
    let fields = fields("b=2&page=x&a=1&b=3&page=y");
    assert_eq!(fields.without(&["page"]).with("page", "z &").encode()?, "b=2&a=1&b=3&page=z+%26");
    assert_eq!(fields.without(&["b", "page"]).encode()?, "a=1");
    Ok(())
}
