# A catalogue for the tests: Japanese has one form.
files = { $count ->
    [1] exact
   *[other] other
}
