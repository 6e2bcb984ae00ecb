# A catalogue for the tests: Polish has few and many.
files = { $count ->
    [0] Brak plików
    [one] { $count } plik
    [few] { $count } pliki
    [many] { $count } plików
   *[other] { $count } pliku
} od { $name }
