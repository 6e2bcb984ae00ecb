//! The imports between modules: there are no circles, neither between the modules of a crate nor between those of a directory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{root, sources};

/// The path of a module below its crate. That of the crate itself is empty.
type Module = Vec<String>;

/// The modules of one crate or directory, each with the modules that it uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// Returns the module of a file; `None` for unit tests.
fn module_of(file: &Path) -> Option<Module> {
    let names = file.with_extension("");
    let mut module: Module =
        names.components().map(|name| name.as_os_str().to_string_lossy().into_owned()).collect();
    if module.iter().any(|name| name.starts_with("tests")) {
        return None;
    }
    if module.last().is_some_and(|last| ["lib", "main", "mod"].contains(&last.as_str())) {
        module.pop();
    }
    Some(module)
}

/// Splits a list at the commas that are in no braces.
fn entries(list: &str) -> Vec<&str> {
    let mut depth = 0;
    let at_comma = |letter: char| {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        letter == ',' && depth == 0
    };
    list.split(at_comma).map(str::trim).filter(|entry| !entry.is_empty()).collect()
}

/// Returns the paths of an import such as `a::{b, c::d as e}`, each with the name that it has afterwards.
fn paths(import: &str) -> Vec<(Vec<&str>, &str)> {
    let segments = |path| str::split(path, "::").map(str::trim).filter(|segment: &&str| !segment.is_empty());
    if let Some((head, list)) = import.split_once('{') {
        let list = list.rsplit_once('}').map_or(list, |(list, _)| list);
        let below = entries(list).into_iter().flat_map(paths);
        return below.map(|(path, name)| (segments(head).chain(path).collect(), name)).collect();
    }
    let (path, name) = import.split_once(" as ").unwrap_or((import, ""));
    let mut path: Vec<_> = segments(path).collect();
    if path.len() > 1 && path.last() == Some(&"self") {
        path.pop();
    }
    let name = if name.is_empty() { path.last().copied().unwrap_or_default() } else { name.trim() };
    vec![(path, name)]
}

/// Returns the paths in code that begin with `crate`, `self` or `super`.
fn prefixed(code: &str) -> Vec<Vec<&str>> {
    let is_of_path = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    let paths = code.split(|letter| !is_of_path(letter)).map(|path| path.split("::").collect::<Vec<_>>());
    paths.filter(|path| path.len() > 1 && ["crate", "self", "super"].contains(&path[0])).collect()
}

/// Returns the imports of a file, and its other code. Neither has comments or unit tests.
fn parts(text: &str) -> (Vec<String>, String) {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let (mut imports, mut code, mut import) = (Vec::new(), String::new(), None::<String>);
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        let begun = line.split_once("use ").filter(|(before, _)| {
            before.is_empty() || *before == "pub " || before.starts_with("pub(") && before.ends_with(") ")
        });
        match (&mut import, begun) {
            (Some(import), _) => import.push_str(line),
            (None, Some((_, tree))) => import = Some(tree.to_owned()),
            (None, None) => {
                code.push_str(line);
                code.push('\n');
            }
        }
        if let Some(complete) = import.take_if(|import| import.ends_with(';')) {
            imports.push(complete.trim_end_matches(';').to_owned());
        }
    }
    (imports, code)
}

/// The modules of a crate.
#[derive(Default)]
struct Crate {
    modules: BTreeSet<Module>,
    /// The paths from the root of the crate that each module names.
    named: Vec<(Module, Module)>,
    /// The paths of the names that each module imports.
    imported: BTreeMap<(Module, String), Module>,
}

impl Crate {
    fn new(files: &[(PathBuf, String)]) -> Self {
        let modules = || files.iter().filter_map(|(file, text)| Some((module_of(file)?, text)));
        let mut found = Self { modules: modules().map(|(module, _)| module).collect(), ..Self::default() };
        for (module, text) in modules() {
            let (imports, code) = parts(text);
            for (path, name) in imports.iter().flat_map(|import| paths(import)) {
                let Some(path) = found.absolute(&module, &path) else { continue };
                found.imported.insert((module.clone(), name.to_owned()), path.clone());
                found.named.push((module.clone(), path));
            }
            for path in prefixed(&code) {
                let path = found.absolute(&module, &path);
                found.named.extend(path.map(|path| (module.clone(), path)));
            }
        }
        found
    }

    /// Returns a path of a module from the root of the crate; `None` if it leads out of the crate.
    fn absolute(&self, module: &[String], path: &[&str]) -> Option<Module> {
        let supers = path.iter().take_while(|segment| **segment == "super").count();
        let (base, rest) = match path {
            ["crate", rest @ ..] => (&module[..0], rest),
            ["self", rest @ ..] => (module, rest),
            ["super", ..] => (module.get(..module.len().checked_sub(supers)?)?, &path[supers..]),
            [child, ..] => {
                let child: Module = module.iter().cloned().chain([(*child).to_owned()]).collect();
                self.modules.contains(&child).then_some((module, path))?
            }
            [] => return None,
        };
        Some(base.iter().cloned().chain(rest.iter().map(|segment| (*segment).to_owned())).collect())
    }

    /// Returns the module that defines what a path names. A module that only imports it is not the one.
    fn owner(&self, path: &[String]) -> Module {
        let mut path = path.to_owned();
        // No name is imported from module to module more often.
        for _ in 0..8 {
            let end = (0..=path.len()).rev().find(|end| self.modules.contains(&path[..*end]));
            let (module, rest) = path.split_at(end.unwrap_or_default());
            let import = rest.first().and_then(|name| self.imported.get(&(module.to_owned(), name.clone())));
            match import.filter(|import| **import != path) {
                Some(import) => path = import.iter().chain(&rest[1..]).cloned().collect(),
                None => return module.to_owned(),
            }
        }
        path
    }

    /// Returns the uses between the modules of each directory, by the path of the directory.
    fn uses(&self) -> BTreeMap<Module, Uses> {
        let mut uses: BTreeMap<Module, Uses> = BTreeMap::new();
        for (module, path) in &self.named {
            let owner = self.owner(path);
            let common = module.iter().zip(&owner).take_while(|(one, other)| one == other).count();
            if let (Some(user), Some(used)) = (module.get(common), owner.get(common)) {
                let below = uses.entry(module[..common].to_owned()).or_default();
                below.entry(user.clone()).or_default().insert(used.clone());
            }
        }
        uses
    }
}

/// Returns the modules in circles and between them, each with those that it uses: removes the modules that use no other or that no
/// other uses, until none is left.
fn in_circles(mut uses: Uses) -> Uses {
    loop {
        let used: BTreeSet<_> = uses.values().flatten().cloned().collect();
        let before = uses.len();
        uses.retain(|module, uses| !uses.is_empty() && used.contains(module));
        let left: BTreeSet<_> = uses.keys().cloned().collect();
        for uses in uses.values_mut() {
            uses.retain(|module| left.contains(module));
        }
        if uses.len() == before {
            return uses;
        }
    }
}

/// Returns the directories with the sources of all crates.
fn crates() -> Vec<PathBuf> {
    let below = |directory: &str| {
        let entries = std::fs::read_dir(root().join(directory)).expect("a directory");
        entries.map(|entry| entry.expect("an entry").path().join("src"))
    };
    let mut crates: Vec<_> = ["shared", "functions", "infra", "tests"].into_iter().flat_map(below).collect();
    crates.push(root().join("tests/src"));
    crates.retain(|src| src.join("lib.rs").is_file() || src.join("main.rs").is_file());
    crates
}

#[test]
fn modules_never_import_each_other() {
    let (mut count, crates) = (0, crates());
    for src in &crates {
        let files: Vec<_> = sources(src)
            .into_iter()
            .map(|(path, text)| (path.strip_prefix(src).expect("below src").to_owned(), text))
            .collect();
        for (directory, uses) in Crate::new(&files).uses() {
            count += uses.values().map(BTreeSet::len).sum::<usize>();
            let found = in_circles(uses);
            let place = src.join(directory.join("/"));
            assert!(
                found.is_empty(),
                "{}: these modules import each other; move what they share to a module of its own: {found:#?}",
                place.display()
            );
        }
    }
    assert!(crates.len() >= 28 && count > 500, "{} crates with {count} imports", crates.len());
}

/// Returns the modules in circles of a crate with these files, by directory.
fn found(files: &[(&str, &str)]) -> Vec<(String, Vec<String>)> {
    let files: Vec<_> = files.iter().map(|(path, text)| (path.into(), (*text).to_owned())).collect();
    let circles = Crate::new(&files).uses().into_iter().map(|(directory, uses)| {
        let modules = in_circles(uses).into_keys().collect::<Vec<_>>();
        (directory.join("/"), modules)
    });
    circles.filter(|(_, modules)| !modules.is_empty()).collect()
}

#[test]
#[expect(clippy::many_single_char_names, reason = "the names of modules")]
fn circles_are_found() {
    let circle = |directory: &str, modules: &[&str]| {
        (directory.to_owned(), modules.iter().map(|&module| module.to_owned()).collect::<Vec<_>>())
    };
    let (a, b) = (("a.rs", "use crate::b::{B, other};"), ("b.rs", "pub fn other() {\n    super::a::f()\n}"));
    assert_eq!(found(&[a, b, ("c.rs", "use super::a;\nuse crate::b::B;")]), [circle("", &["a", "b"])]);
    let tests = ("b/tests.rs", "use crate::a;");
    assert!(found(&[a, ("b.rs", "// use super::a;\nuse other::a;"), tests]).is_empty());
    // A name that a module only imports belongs to the module that defines it.
    let root = ("lib.rs", "mod a;\nmod b;\npub use self::{\n    a::{\n        A as One,\n    },\n};");
    assert_eq!(found(&[root, a, ("b.rs", "use crate::One;")]), [circle("", &["a", "b"])]);
    assert!(found(&[root, a, ("b.rs", "use crate::Other;")]).is_empty());
    // Within a directory, and between one and a module beside it.
    let (x, y) = (("d/x.rs", "use super::y::{self, Y};"), ("d/y.rs", "use crate::d::x::X;"));
    assert_eq!(found(&[("d/mod.rs", "mod x;\nmod y;"), x, y]), [circle("d", &["x", "y"])]);
    let (d, e) = (("d/mod.rs", "pub use x::X;"), ("e.rs", "use crate::d::X;"));
    assert_eq!(found(&[d, ("d/x.rs", "use crate::e::E;"), e]), [circle("", &["d", "e"])]);
}
