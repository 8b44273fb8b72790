//! Imports go down only, and files of one room do not import each other in a circle. `ARCHITECTURE.md` draws the floors.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Top first. A room may use the rooms below its own line.
const FLOORS: [&[&str]; 10] = [
    &["cli", "main"],
    &["app"],
    &["checkpoint"],
    &["train", "eval"],
    &["models"],
    &["audio", "image", "text", "ops", "fetch"],
    &["kernels", "latent"],
    &["sequence"],
    &["base"],
    &["error"],
];

/// What a room may use at most, where that is less than all floors below.
const ONLY: [(&str, &[&str]); 5] = [
    ("cli", &["app", "error"]),
    ("audio", &["sequence", "base", "error"]),
    ("image", &["sequence", "base", "error"]),
    ("text", &["sequence", "base", "error"]),
    ("fetch", &["base", "error"]),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// A file as a module, such as `audio::wav`.
struct Module {
    name: String,
    /// Its text without comments and without what only tests see.
    text: String,
    /// Whether it is the `mod.rs` of a folder.
    folder: bool,
}

fn modules() -> BTreeMap<String, Module> {
    walkdir::WalkDir::new(source())
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(|path| {
            let inner = path.strip_prefix(source()).unwrap().with_extension("");
            let mut parts: Vec<String> = inner
                .iter()
                .map(|part| part.to_string_lossy().into_owned())
                .collect();
            let folder = parts.last().is_some_and(|last| last == "mod");
            if folder {
                parts.pop();
            }
            let module = Module {
                name: parts.join("::"),
                text: product(&fs::read_to_string(path).unwrap()),
                folder,
            };
            (module.name.clone(), module)
        })
        .filter(|(name, _)| name != "lib")
        .collect()
}

/// The whole text but for comments and for items behind `#[cfg(test)]`.
fn product(text: &str) -> String {
    let comments = Regex::new(r"(?s)//[^\n]*|/\*.*?\*/").unwrap();
    let text = comments.replace_all(text, "");
    let item = Regex::new(r"#\[cfg\(test\)\]\s*(#\[[^\]]*\]\s*)*").unwrap();
    let (mut kept, mut rest) = (String::new(), &*text);
    while let Some(found) = item.find(rest) {
        kept += &rest[..found.start()];
        rest = after_item(&rest[found.end()..]);
    }
    kept + rest
}

/// What follows the item that a text begins with.
fn after_item(text: &str) -> &str {
    let mut depth = 0;
    for (index, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => return &text[index + 1..],
            '}' => depth -= 1,
            ';' if depth == 0 => return &text[index + 1..],
            _ => {}
        }
    }
    ""
}

/// The paths of a use tree: `a::{b, c::d}` gives `a::b` and `a::c::d`.
fn leaves(tree: &str) -> Vec<String> {
    let tree = tree.split(" as ").next().unwrap().trim();
    let Some((prefix, inner)) = tree.split_once('{') else {
        return vec![tree.trim_end_matches("::self").to_owned()];
    };
    let inner = &inner[..inner.rfind('}').unwrap_or(inner.len())];
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for character in inner.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(character);
    }
    parts
        .iter()
        .filter(|part| !part.trim().is_empty())
        .flat_map(|part| leaves(part))
        .map(|leaf| match leaf.as_str() {
            "self" => prefix.trim_end_matches("::").to_owned(),
            leaf => format!("{prefix}{leaf}"),
        })
        .collect()
}

/// A path from the root of the crate; `None` for other crates.
fn absolute(path: &str, module: &Module) -> Option<String> {
    let mut parts: Vec<&str> = path.split("::").collect();
    let mut base: Vec<&str> = module.name.split("::").collect();
    match parts[0] {
        "crate" => return Some(parts[1..].join("::")),
        "self" => {
            parts.remove(0);
        }
        "super" => {
            while parts.first() == Some(&"super") {
                parts.remove(0);
                base.pop();
            }
        }
        _ => return None,
    }
    base.extend(parts);
    Some(base.join("::"))
}

/// What each module imports, and what it exports again under another path.
struct Imports {
    all: BTreeMap<String, BTreeSet<String>>,
    exports: BTreeMap<String, BTreeMap<String, String>>,
}

fn imports(modules: &BTreeMap<String, Module>) -> Imports {
    let statement = Regex::new(r"(pub(?:\([^)]*\))?\s+)?\buse\s+([^;]+);").unwrap();
    let path = Regex::new(r"\b(?:crate|super)(?:::\w+)+").unwrap();
    let declared = Regex::new(r"(?m)^\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+);").unwrap();
    let mut found = Imports {
        all: BTreeMap::new(),
        exports: BTreeMap::new(),
    };
    for module in modules.values() {
        let (mut all, mut exports) = (BTreeSet::new(), BTreeMap::new());
        let children: Vec<String> = declared
            .captures_iter(&module.text)
            .map(|c| c[1].to_owned())
            .collect();
        for used in statement.captures_iter(&module.text) {
            for leaf in leaves(&used[2]) {
                let child = children.iter().any(|c| leaf.split("::").next() == Some(c));
                let whole = if child {
                    Some(format!("{}::{leaf}", module.name))
                } else {
                    absolute(&leaf, module)
                };
                let Some(whole) = whole else { continue };
                if used.get(1).is_some() {
                    let name = whole.rsplit("::").next().unwrap().to_owned();
                    exports.insert(name, whole);
                } else {
                    all.insert(whole);
                }
            }
        }
        let rest = statement.replace_all(&module.text, "");
        all.extend(
            path.find_iter(&rest)
                .filter_map(|p| absolute(p.as_str(), module)),
        );
        if module.folder {
            for child in children {
                if Regex::new(&format!(r"\b{child}::"))
                    .unwrap()
                    .is_match(&rest)
                {
                    all.insert(format!("{}::{child}", module.name));
                }
            }
        }
        found.all.insert(module.name.clone(), all);
        found.exports.insert(module.name.clone(), exports);
    }
    found
}

impl Imports {
    /// The module that defines what a path names; re-exports are followed.
    fn definition(&self, path: &str) -> Option<String> {
        let parts: Vec<&str> = path.split("::").collect();
        let module = (1..=parts.len())
            .rev()
            .map(|n| parts[..n].join("::"))
            .find(|name| self.all.contains_key(name))?;
        let depth = module.split("::").count();
        let exported = parts
            .get(depth)
            .and_then(|name| self.exports[&module].get(*name));
        match exported {
            Some(target) if target != path => self.definition(target),
            _ => Some(module),
        }
    }

    /// The modules that a module depends on.
    fn dependencies(&self, module: &str) -> BTreeSet<String> {
        self.all[module]
            .iter()
            .filter_map(|path| self.definition(path))
            .filter(|other| other != module)
            .collect()
    }
}

fn room(module: &str) -> &str {
    module.split("::").next().unwrap()
}

fn floor(room: &str) -> usize {
    FLOORS
        .iter()
        .position(|rooms| rooms.contains(&room))
        .unwrap_or_else(|| panic!("src/{room} stands on no floor: add it to FLOORS"))
}

#[test]
fn imports_go_down_only() {
    let modules = modules();
    let imports = imports(&modules);
    let mut seen = 0;
    for (name, paths) in &imports.all {
        let from = room(name);
        // What is written counts: a room may pass on a plain type of a lower one.
        let written = paths.iter().chain(imports.exports[name].values());
        for to in written.map(|path| room(path)).filter(|to| *to != from) {
            if !imports.all.keys().any(|module| room(module) == to) {
                continue;
            }
            assert!(
                floor(to) > floor(from),
                "{name} uses {to}, which does not stand below it"
            );
            if let Some((_, allowed)) = ONLY.iter().find(|(room, _)| *room == from) {
                assert!(
                    allowed.contains(&to),
                    "{name} uses {to}; {from} may use {allowed:?} only"
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 200, "only {seen} imports were found");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let modules = modules();
    let imports = imports(&modules);
    let edges: BTreeMap<&str, BTreeSet<String>> = modules
        .keys()
        .map(|name| (name.as_str(), imports.dependencies(name)))
        .collect();
    let reach = |from: &str| {
        let mut found = BTreeSet::new();
        let mut open: Vec<String> = edges[from].iter().cloned().collect();
        while let Some(next) = open.pop() {
            if found.insert(next.clone()) {
                open.extend(edges[next.as_str()].iter().cloned());
            }
        }
        found
    };
    let circles: Vec<&&str> = edges
        .keys()
        .filter(|name| reach(name).contains(**name))
        .collect();
    assert!(
        circles.is_empty(),
        "these files are in circles: {circles:?}"
    );
    assert!(edges.values().map(BTreeSet::len).sum::<usize>() > 300);
}

#[test]
fn the_checks_see_whole_files() {
    let text = "use a::b;\n#[cfg(test)]\nmod tests {\n use c::d;\n}\n// use e::f;\nuse crate::g::{h, i::j};\n";
    let product = product(text);
    assert!(
        product.contains("a::b") && product.contains("crate::g"),
        "{product}"
    );
    assert!(
        !product.contains("c::d") && !product.contains("e::f"),
        "{product}"
    );
    assert_eq!(
        leaves("crate::g::{h, i::{j, self}}"),
        ["crate::g::h", "crate::g::i::j", "crate::g::i"]
    );
}

#[test]
fn the_default_device_of_burn_is_never_used() {
    let default = Regex::new(r"Device::default\(\)|&Default::default\(\)").unwrap();
    for module in modules().values() {
        assert!(
            !default.is_match(&module.text),
            "{}: burn chooses CUDA by default wherever it is built in, with or without a GPU",
            module.name
        );
    }
}
