use super::*;

#[test]
fn only_a_missing_mailbox_refuses_a_mail_for_good() {
    for (status, reply, is_for_good) in [
        (550, "5.1.1 <anna@example.org>: there is no such user", true),
        (550, "5.2.1 the mailbox is disabled", true),
        (550, "there is no such user", true),
        (553, "the name of the mailbox is not allowed", true),
        (556, "the domain accepts no mail", true),
        (501, "5.1.3 wrong address", true),
        (553, "5.7.1 <records@example.org>: the sender is not owned by the user", false),
        (550, "5.7.60 the client may not send as this sender", false),
        (550, "5.7.54 unable to relay", false),
        (550, "5.4.5 the daily limit is reached", false),
        (553, "5.1.8 the domain of the sender does not exist", false),
        (450, "4.1.2 the domain is not found", false),
        (535, "5.7.8 wrong password", false),
        (554, "the address is not verified", false),
        (421, "", false),
    ] {
        assert_eq!(is_refused_for_good(status, reply), is_for_good, "{status} {reply}");
    }
}
