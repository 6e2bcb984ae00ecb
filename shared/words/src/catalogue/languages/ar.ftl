# A catalogue for the tests: Arabic has all forms. The words are the names of the forms.
files = { $count ->
    [zero] zero
    [one] one
    [two] two
    [few] few
    [many] many
   *[other] other
}
