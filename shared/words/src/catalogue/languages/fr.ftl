# A catalogue for the tests: in French, 0 is singular, and whole millions have their own form.
files = { $count ->
    [one] one
    [many] many
   *[other] other
}
