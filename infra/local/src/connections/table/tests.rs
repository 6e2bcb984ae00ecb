use super::*;

fn table(capacity: usize) -> Arc<Table> {
    Arc::new(Table::new(capacity, Arc::new(Limits::default())))
}

fn at(table: &Table, seconds: u64) -> u64 {
    table.clock.store(seconds * 1_000, Relaxed);
    seconds * 1_000
}

fn is_closed(slot: &ConnectionSlot) -> bool {
    slot.connection.order.load(Relaxed) == Order::Close as u8
}

#[test]
fn each_phase_has_its_limit() {
    let limits = Limits::default();
    let table = table(16);
    let slot = table.enter();
    let connection = &slot.connection;
    let broken = |seconds| connection.broken_limit(at(&table, seconds), &limits);
    // Single bytes do not extend the time for a head.
    at(&table, 29);
    connection.moved();
    assert_eq!((broken(30), broken(31)), (None, Some("head_seconds")));
    at(&table, 31);
    connection.request_begins();
    assert_eq!(broken(10_000), None, "there is no limit while the handler runs");
    at(&table, 31);
    connection.body_begins();
    connection.body_waits();
    assert_eq!((broken(61), broken(62)), (None, Some("upload_idle_seconds")));
    // One byte a second is not idle, but it is too slow.
    for second in 32..120 {
        at(&table, second);
        connection.moved();
        connection.body_brought(1);
        connection.body_waits();
    }
    assert_eq!(connection.broken_limit(120_000, &limits), Some("body_seconds"));
    connection.body_brought(100_000);
    connection.body_waits();
    assert_eq!(connection.broken_limit(120_000, &limits), None, "received bytes extend the time");
    connection.body_ends();
    connection.write_blocked(true);
    assert_eq!((broken(179), broken(180)), (None, Some("download_idle_seconds")));
    connection.write_blocked(false);
    at(&table, 200);
    connection.response_ends();
    assert_eq!((broken(230), broken(231)), (None, Some("head_seconds")));
}

#[test]
fn the_rest_of_a_refused_body_has_the_time_of_a_body() {
    let limits = Limits::default();
    let table = table(16);
    let place = table.enter();
    let connection = &place.connection;
    let broken = |seconds| connection.broken_limit(at(&table, seconds), &limits);
    connection.request_begins();
    connection.body_begins();
    connection.response_ends();
    at(&table, 100);
    connection.drains();
    assert_eq!((broken(110), broken(111)), (None, Some("upload_idle_seconds")));
    for second in 111..160 {
        at(&table, second);
        connection.drains();
        connection.moved();
    }
    assert_eq!((broken(160), broken(161)), (None, Some("body_seconds")));
}

/// The clients may have sent their whole bodies, and keep their connections open.
#[test]
fn the_rest_of_a_refused_body_is_awaited_for_ten_seconds_at_most() {
    for (upload_idle_seconds, awaited) in [(3_600, 10), (30, 10), (10, 10), (4, 4)] {
        let limits = Limits { upload_idle_seconds, ..Limits::default() };
        let table = table(16);
        let place = table.enter();
        let connection = &place.connection;
        connection.request_begins();
        connection.body_begins();
        connection.response_ends();
        connection.drains();
        let broken = |seconds| connection.broken_limit(at(&table, seconds), &limits);
        let expected = (None, Some("upload_idle_seconds"));
        assert_eq!((broken(awaited), broken(awaited + 1)), expected, "{upload_idle_seconds}");
    }
}

#[test]
fn a_request_without_a_body_has_no_unread_body() {
    let table = table(16);
    let place = table.enter();
    place.connection.request_begins();
    place.connection.body_begins();
    assert!(place.connection.has_unread_body());
    place.connection.request_begins();
    assert!(!place.connection.has_unread_body());
}

#[test]
fn the_most_silent_connections_are_closed_but_not_one_with_a_request() {
    let table = table(3);
    let (first, working, last) = (table.enter(), table.enter(), table.enter());
    at(&table, 2);
    working.connection.request_begins();
    at(&table, 4);
    last.connection.moved();
    table.close_silent();
    assert_eq!([is_closed(&first), is_closed(&working), is_closed(&last)], [true, false, false]);
    drop(first);
    at(&table, 6);
    table.close_silent();
    assert!(is_closed(&last) && !is_closed(&working));
    // A connection with a request is also closed after it has been silent for some time.
    at(&table, 10);
    table.close_silent();
    assert!(is_closed(&working));
    assert_eq!(table.len(), 2);
}
