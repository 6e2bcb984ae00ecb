use super::*;

#[test]
fn connections_leave_room_for_files() {
    let limits = Limits::default();
    for (descriptors, connections) in
        [(1_024, 768), (256, 64), (300, 75), (4, 1), (65_536, 10_000), (1_048_576, 10_000)]
    {
        assert_eq!(max_connections(&limits, descriptors), connections, "{descriptors}");
    }
}
