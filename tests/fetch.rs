//! Corpora and models by name, fetched from a small server on this machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::cli::{ensuite, outcome, sha256, sine, write_wav};

/// What the server does.
#[derive(Default)]
struct Behaviour {
    files: BTreeMap<String, Vec<u8>>,
    redirects: BTreeMap<String, String>,
    /// Connections that are cut after so many bytes of the body.
    cuts: usize,
    cut_after: usize,
    /// Whether the server ignores `Range`.
    no_ranges: bool,
    /// Whether the server does not say the length.
    no_length: bool,
    /// The first byte of each request.
    asked: Vec<usize>,
}

/// A server on 127.0.0.1, until the test ends.
struct Server {
    address: String,
    behaviour: Arc<Mutex<Behaviour>>,
}

impl Server {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let behaviour = Arc::new(Mutex::new(Behaviour {
            files: files
                .iter()
                .map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()))
                .collect(),
            ..Behaviour::default()
        }));
        let shared = behaviour.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                // A client that has gone away is its own test.
                let _ = answer(connection.unwrap(), &mut shared.lock().unwrap());
            }
        });
        Self { address, behaviour }
    }

    fn set(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour.lock().unwrap());
    }

    fn asked(&self) -> Vec<usize> {
        std::mem::take(&mut self.behaviour.lock().unwrap().asked)
    }
}

fn answer(mut connection: TcpStream, behaviour: &mut Behaviour) -> std::io::Result<()> {
    let mut path = String::new();
    let mut from = 0;
    for line in BufReader::new(connection.try_clone()?).lines() {
        let line = line?;
        if let Some(rest) = line.strip_prefix("GET ") {
            rest.split(' ').next().unwrap().clone_into(&mut path);
        }
        if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    behaviour.asked.push(from);
    if let Some(to) = behaviour.redirects.get(&path) {
        return write!(
            connection,
            "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    let Some(file) = behaviour.files.get(&path) else {
        return write!(
            connection,
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    };
    if behaviour.no_ranges {
        from = 0;
    }
    let body = &file[from..];
    let mut head = if from > 0 {
        let (last, all) = (file.len() - 1, file.len());
        format!("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{last}/{all}\r\n")
    } else {
        "HTTP/1.1 200 OK\r\n".to_owned()
    };
    if !behaviour.no_length {
        write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
    }
    connection.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
    if behaviour.cuts > 0 {
        behaviour.cuts -= 1;
        return connection.write_all(&body[..behaviour.cut_after.min(body.len())]);
    }
    connection.write_all(body)
}

/// An archive of files.
fn tar_gz(files: &[(&str, &[u8])]) -> Vec<u8> {
    let zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(zipped);
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // Of the header itself, for paths that the builder refuses.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// A folder for what is fetched, and a catalogue.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// A catalogue with one corpus, `tiny`.
    fn new(entry: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = format!(
            "format = 1\n[tiny]\ntitle = \"A tiny corpus\"\nmedium = \"sound\"\nlicence = \"CC0-1.0\"\n\
             attribution = \"nobody\"\nat_most = 1_000_000\n{entry}\n"
        );
        fs::write(folder.path().join("catalog.toml"), catalog).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = ensuite(arguments);
        command
            .env("ENSUITE_CORPORA", self.path("corpora"))
            .env("ENSUITE_MODELS", self.path("models"))
            .env("HOME", self.path("home"))
            .env("XDG_DATA_HOME", self.path("data"))
            .current_dir(self.folder.path());
        for proxy in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(proxy).env_remove(proxy.to_uppercase());
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        outcome(&mut self.command(arguments))
    }

    fn fetch(&self, more: &[&str]) -> (i32, String, String) {
        let fetch = ["corpus", "fetch", "tiny", "--catalog", "catalog.toml"];
        self.run(&[&fetch, more].concat())
    }

    fn fetched(&self, more: &[&str]) -> String {
        let (code, stdout, stderr) = self.fetch(more);
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(
            stdout.trim_end(),
            self.path("corpora/tiny").display().to_string()
        );
        stderr
    }

    /// A fetch that fails with these words, and leaves nothing.
    fn refused(&self, more: &[&str], words: &[&str]) {
        let (code, stdout, stderr) = self.fetch(more);
        assert_eq!((code, stdout.as_str()), (1, ""), "{stderr}");
        for word in words {
            assert!(stderr.contains(word), "'{word}' is not in: {stderr}");
        }
        assert!(stderr.contains("hint: "), "{stderr}");
        assert_eq!(self.left(), Vec::<String>::new());
    }

    /// What lies in the folder of corpora.
    fn left(&self) -> Vec<String> {
        names(&self.path("corpora"))
    }
}

/// The files of a folder and of its subfolders.
fn names(folder: &Path) -> Vec<String> {
    walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .flatten()
        .filter(|entry| entry.depth() > 0)
        .map(|entry| {
            entry
                .path()
                .strip_prefix(folder)
                .unwrap()
                .display()
                .to_string()
        })
        .collect()
}

/// An entry of one file, kept as it is.
fn one_file(server: &Server, bytes: &[u8]) -> String {
    format!(
        "fetch = \"yes\"\nfiles = [{{ url = \"{}/data.txt\", bytes = {}, sha256 = \"{}\" }}]",
        server.address,
        bytes.len(),
        sha256(bytes)
    )
}

const DATA: [u8; 10_000] = [7; 10_000];

#[test]
fn a_corpus_is_fetched_with_its_licence_and_its_source() {
    let server = Server::new(&[("/data.txt", &DATA)]);
    let world = World::new(&one_file(&server, &DATA));
    let shown = world.fetched(&[]);
    let place = |word: &str| {
        shown
            .find(word)
            .unwrap_or_else(|| panic!("no {word}: {shown}"))
    };
    assert!(place("CC0-1.0") < place("10.0 kB"));
    assert_eq!(
        world.left(),
        [
            "tiny",
            "tiny/SOURCE.md",
            "tiny/corpus.toml",
            "tiny/data.txt"
        ]
    );
    assert_eq!(fs::read(world.path("corpora/tiny/data.txt")).unwrap(), DATA);
    let source = fs::read_to_string(world.path("corpora/tiny/SOURCE.md")).unwrap();
    for word in [
        "A tiny corpus",
        "CC0-1.0",
        "nobody",
        &server.address,
        &sha256(&DATA),
    ] {
        assert!(source.contains(word), "{source}");
    }
    assert_eq!(server.asked(), [0]);
    // Once is enough.
    assert!(world.fetched(&[]).contains("fetched already"));
    assert_eq!(server.asked(), [0; 0]);
    let (_, list, _) = world.run(&["corpus", "list", "--catalog", "catalog.toml"]);
    assert_eq!(
        list,
        "tiny             sound       10.0 kB  fetched      CC0-1.0\n"
    );
}

#[test]
fn a_cut_connection_is_continued() {
    let server = Server::new(&[("/data.txt", &DATA)]);
    let world = World::new(&one_file(&server, &DATA));
    let cut = |cuts, cut_after| {
        server.set(|behaviour| (behaviour.cuts, behaviour.cut_after) = (cuts, cut_after));
    };
    // Within one fetch.
    cut(2, 3000);
    world.fetched(&[]);
    assert_eq!(server.asked(), [0, 3000, 6000]);
    fs::remove_dir_all(world.path("corpora")).unwrap();
    // Over two: only the part stays, and it says how to go on.
    cut(4, 2000);
    let (code, _, stderr) = world.fetch(&[]);
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stderr.contains("cut after 8000 bytes") && stderr.contains("continues"),
        "{stderr}"
    );
    assert_eq!(world.left(), [".tiny.part", ".tiny.part/0.part"]);
    server.asked();
    world.fetched(&[]);
    assert_eq!(server.asked(), [8000]);
    assert_eq!(fs::read(world.path("corpora/tiny/data.txt")).unwrap(), DATA);
    fs::remove_dir_all(world.path("corpora")).unwrap();
    // A server that knows no ranges begins again, and the file is right all the same.
    cut(4, 2000);
    server.set(|behaviour| behaviour.no_ranges = true);
    assert_eq!(world.fetch(&[]).0, 1);
    server.set(|behaviour| behaviour.cuts = 0);
    world.fetched(&[]);
    assert_eq!(fs::read(world.path("corpora/tiny/data.txt")).unwrap(), DATA);
    fs::remove_dir_all(world.path("corpora")).unwrap();
    // Nothing came: nothing is left.
    cut(1, 0);
    world.refused(&[], &["cannot be reached", "--from"]);
}

#[test]
fn a_part_that_was_changed_in_between_is_found_out() {
    let server = Server::new(&[("/data.txt", &DATA)]);
    let world = World::new(&one_file(&server, &DATA));
    server.set(|behaviour| (behaviour.cuts, behaviour.cut_after) = (4, 2000));
    assert_eq!(world.fetch(&[]).0, 1);
    let part = world.path("corpora/.tiny.part/0.part");
    fs::write(&part, [1; 8000]).unwrap();
    world.refused(
        &[],
        &["SHA-256", "the catalogue says", "nothing of it was kept"],
    );
    world.fetched(&[]);
}

#[test]
fn a_wrong_length_and_a_wrong_hash_are_refused() {
    let server = Server::new(&[("/data.txt", &DATA)]);
    let other = [8; 10_000];
    let world = World::new(&one_file(&server, &other));
    world.refused(
        &[],
        &["/data.txt", "SHA-256", &sha256(&DATA), &sha256(&other)],
    );
    for length in [9_000, 11_000] {
        let world = World::new(&one_file(&server, &DATA[..].repeat(2)[..length]));
        world.refused(
            &[],
            &["10000 bytes", &format!("the catalogue says {length}")],
        );
        // The server does not say how much comes.
        server.set(|behaviour| behaviour.no_length = true);
        if length < DATA.len() {
            world.refused(&[], &["longer than 9000 bytes"]);
        } else {
            let (code, _, stderr) = world.fetch(&[]);
            assert_eq!(code, 1, "{stderr}");
            assert!(!world.path("corpora/tiny").exists());
        }
        server.set(|behaviour| behaviour.no_length = false);
    }
    // A file whose length nobody knows has a bound.
    let entry = one_file(&server, &DATA).replace("bytes = 10000, ", "");
    let world = World::new(&entry);
    let catalog = world.path("catalog.toml");
    let text = fs::read_to_string(&catalog).unwrap();
    fs::write(&catalog, text.replace("1_000_000", "5000")).unwrap();
    world.refused(&[], &["longer than 5000 bytes"]);
    let md5 = entry.replace(&format!("sha256 = \"{}\"", sha256(&DATA)), "md5 = \"00\"");
    World::new(&md5).refused(&[], &["MD5"]);
}

#[test]
fn servers_that_are_not_there_or_lead_elsewhere_are_named() {
    let server = Server::new(&[("/good", &DATA)]);
    let world = World::new(&one_file(&server, &DATA));
    world.refused(&[], &["/data.txt", "404"]);
    let redirect = |to: &str| {
        server.set(|behaviour| {
            behaviour.redirects.insert("/data.txt".into(), to.into());
        });
    };
    for elsewhere in ["ftp://127.0.0.1/good", "file:///etc/passwd"] {
        redirect(elsewhere);
        world.refused(&[], &["/data.txt", "address of another kind"]);
    }
    redirect("/data.txt");
    world.refused(&[], &["without end"]);
    // Another server of the same scheme is all right.
    let other = Server::new(&[("/good", &DATA)]);
    redirect(&format!("{}/good", other.address));
    world.fetched(&[]);
    assert_eq!(other.asked(), [0]);
    // Nobody listens on a port that was just closed.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let entry = one_file(&server, &DATA).replace(&server.address, &address);
    World::new(&entry).refused(&[], &["cannot be reached", "network"]);
}

#[test]
fn bad_archives_leave_nothing() {
    for (archive, words) in [
        (
            tar_gz(&[("x/a.wav", b"1"), ("x/../../evil", b"2")]),
            vec!["evil", "leave its folder"],
        ),
        (
            tar_gz(&[("x/a.wav", &vec![0; 2_000_000])]),
            vec!["more than the catalogue allows"],
        ),
        (b"no archive".to_vec(), vec!["cannot be unpacked"]),
        (
            tar_gz(&[("x/b.wav", b"1")]),
            vec!["content", "the catalogue says"],
        ),
    ] {
        let server = Server::new(&[("/x.tar.gz", &archive)]);
        let listing = format!("{}  a.wav\n", sha256(b"1"));
        let entry = format!(
            "fetch = \"yes\"\nunpack = \"tar.gz\"\nroot = \"x\"\ncontent_sha256 = \"{}\"\nfiles = [{{ url = \"{}/x.tar.gz\" }}]",
            sha256(listing.as_bytes()),
            server.address
        );
        let world = World::new(&entry);
        world.refused(&[], &words);
        assert!(!world.path("evil").exists() && !world.path("corpora/evil").exists());
        // The same from a file that is here.
        fs::write(world.path("here"), archive).unwrap();
        world.refused(&["--from", "here"], &words);
    }
}

/// An archive of eight short recordings, and the entry for it without its split.
fn recordings(world: &Path, server: &Server) -> (Vec<u8>, String) {
    let mut files = Vec::new();
    for take in 0..8 {
        let path = world.join(format!("take-{take}.wav"));
        write_wav(&path, 8000, sine(10 + take, 4000));
        files.push((
            format!("top/wavs/take-{take}.wav"),
            fs::read(&path).unwrap(),
        ));
    }
    files.push((
        "top/wavs/held.txt".into(),
        b"take-2.wav\ntake-3.wav\n".to_vec(),
    ));
    files.push(("top/wavs/tested.txt".into(), b"take-0.wav\n".to_vec()));
    let mut listing: Vec<String> = files
        .iter()
        .map(|(path, bytes)| {
            format!(
                "{}  {}\n",
                sha256(bytes),
                path.trim_start_matches("top/wavs/")
            )
        })
        .collect();
    listing.sort_by_key(|line| line[66..].to_owned());
    files.push(("top/README".into(), b"not wanted".to_vec()));
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(p, b)| (p.as_str(), b.as_slice()))
        .collect();
    let entry = format!(
        "fetch = \"yes\"\nunpack = \"tar.gz\"\nroot = \"top/wavs\"\ncontent_files = 10\ncontent_sha256 = \"{}\"\n\
         files = [{{ url = \"{}/x.tar.gz\" }}]\n",
        sha256(listing.concat().as_bytes()),
        server.address
    );
    (tar_gz(&files), entry)
}

#[test]
fn training_takes_a_corpus_by_name_with_its_own_split() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(&[]);
    let (archive, entry) = recordings(folder.path(), &server);
    for split in [
        "test = 'take-0'\nvalidation = '-[23]\\.wav$'\n",
        "lists = { test = 'tested.txt', validation = 'held.txt' }\n",
    ] {
        let world = World::new(&format!("{entry}{split}"));
        fs::write(world.path("here.tar.gz"), &archive).unwrap();
        world.fetched(&["--from", "here.tar.gz"]);
        assert_eq!(server.asked(), [0; 0]);
        let test = names(&world.path("corpora/tiny.test"));
        assert!(
            test.contains(&"take-0.wav".into()) && !test.contains(&"take-1.wav".into()),
            "{test:?}"
        );
        assert!(!world.path("corpora/tiny/take-0.wav").exists());
        fs::write(world.path("small.toml"), crate::cli::SMALL).unwrap();
        let train = [
            "train",
            "sound",
            "tiny",
            "--out",
            "model",
            "--steps",
            "2",
            "--tiers",
            "1",
            "--config",
            "small.toml",
        ];
        let (code, _, stderr) = world.run(&train);
        assert_eq!(code, 0, "{stderr}");
        let manifest = fs::read_to_string(world.path("model/model.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let held_out = serde_json::json!(["take-2.wav", "take-3.wav"]);
        assert_eq!(manifest["split"]["validation"], held_out);
        let (code, _, stderr) = world.run(&[
            "train", "sound", "tiny", "--out", "model", "--steps", "3", "--resume",
        ]);
        assert_eq!(code, 0, "{stderr}");
        let (code, found, stderr) = world.run(&["eval", "model", "tiny.test", "--json"]);
        assert_eq!(code, 0, "{stderr}");
        let found: serde_json::Value = serde_json::from_str(&found).unwrap();
        assert_eq!(found["files"], 1);
        // What is asked for goes before what the corpus says.
        let asked = [&train[..], &["--force", "--validation", "take-7"]].concat();
        assert_eq!(world.run(&asked).0, 0);
        let manifest = fs::read_to_string(world.path("model/model.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        assert_eq!(
            manifest["split"]["validation"],
            serde_json::json!(["take-7.wav"])
        );
    }
}

#[test]
fn a_corpus_that_is_not_here_is_named_with_what_to_do() {
    let world = World::new("fetch = \"no\"\nwhy = \"its terms\"");
    world.refused(&[], &["cannot be fetched: its terms"]);
    let (code, _, stderr) = world.run(&["train", "sound", "fsdd", "--out", "model"]);
    assert!(
        code == 1 && stderr.contains("ensuite corpus fetch fsdd"),
        "{stderr}"
    );
    let (code, _, stderr) = world.run(&["corpus", "fetch", "fsd"]);
    assert!(
        code == 2 && stderr.contains("did you mean fsdd?"),
        "{stderr}"
    );
    let (code, _, stderr) = world.run(&["corpus", "fetch", "maestro"]);
    assert!(
        code == 2 && stderr.contains("--yes") && stderr.contains("CC-BY-NC"),
        "{stderr}"
    );
    let (code, shown, _) = world.run(&["corpus", "show", "fsdd"]);
    assert_eq!(code, 0);
    for word in [
        "CC-BY-SA-4.0",
        "21.1 MB",
        "26eb9aaf",
        "train sound fsdd",
        "_[5-9]",
    ] {
        assert!(shown.contains(word), "{shown}");
    }
    let (_, json, _) = world.run(&["corpus", "list", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(
        json.as_array()
            .unwrap()
            .iter()
            .any(|c| c["name"] == "mnist" && c["folder"].is_null())
    );
}

#[test]
fn models_are_fetched_and_found_by_name() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let model = shipped.join("dungeon-tiles");
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for entry in fs::read_dir(&model).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        files.push((
            format!("/public/dungeon-tiles/{name}"),
            fs::read(path).unwrap(),
        ));
    }
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(p, b)| (p.as_str(), b.as_slice()))
        .collect();
    let server = Server::new(&files);
    let world = World::new("fetch = \"no\"\nwhy = \"-\"");
    let generate = ["generate", "dungeon-tiles", "-o", "tile.png", "--seed", "1"];
    let (code, _, stderr) = world.run(&generate);
    assert!(
        code == 1 && stderr.contains("ensuite models fetch dungeon-tiles"),
        "{stderr}"
    );
    // There is no public address yet.
    let fetch = ["models", "fetch", "dungeon-tiles"];
    let (code, _, stderr) = world.run(&fetch);
    assert!(
        code == 1 && stderr.contains("no public address") && stderr.contains("--from"),
        "{stderr}"
    );
    let from = |base: &str| {
        let base = format!("{}{base}", server.address);
        outcome(world.command(&fetch).env("ENSUITE_MODELS_URL", base))
    };
    let (code, _, stderr) = from("/elsewhere");
    assert!(code == 1 && stderr.contains("404"), "{stderr}");
    assert!(names(&world.path("models")).is_empty());
    let (code, stdout, stderr) = from("/public/");
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("CC0-1.0"), "{stderr}");
    assert_eq!(
        stdout.trim_end(),
        world.path("models/dungeon-tiles").display().to_string()
    );
    let (code, _, stderr) = world.run(&generate);
    assert_eq!(code, 0, "{stderr}");
    let (_, list, _) = world.run(&["models", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    for model in list.as_array().unwrap() {
        assert_eq!(
            model["folder"].is_null(),
            model["name"] != "dungeon-tiles",
            "{model}"
        );
    }
    // A folder of this name in the working folder goes before it.
    fs::create_dir(world.path("dungeon-tiles")).unwrap();
    let (code, _, stderr) = world.run(&generate);
    assert!(
        code == 1 && stderr.contains("dungeon-tiles/model.json"),
        "{stderr}"
    );
    fs::remove_dir(world.path("dungeon-tiles")).unwrap();
    // A damaged copy is refused, and a good one found in the data folder when ENSUITE_MODELS has none.
    fs::remove_dir_all(world.path("models")).unwrap();
    let copy = world.path("copy");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(&model).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
    }
    fs::write(copy.join("palette.png"), b"damaged").unwrap();
    let (code, _, stderr) = world.run(&[&fetch[..], &["--from", "copy"]].concat());
    assert!(
        code == 1 && stderr.contains("palette.png") && stderr.contains("catalogue"),
        "{stderr}"
    );
    assert!(names(&world.path("models")).is_empty());
    let shipped = shipped.display().to_string();
    let arguments = [&fetch[..], &["--from", &shipped]].concat();
    let (code, stdout, stderr) = outcome(world.command(&arguments).env_remove("ENSUITE_MODELS"));
    assert_eq!(code, 0, "{stderr}");
    let home = world.path("data/ensuite/models/dungeon-tiles");
    assert_eq!(stdout.trim_end(), home.display().to_string());
    assert_eq!(world.run(&generate).0, 0);
}

/// An IDX file: its sizes, and its bytes.
pub(crate) fn idx(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, sizes.len() as u8];
    for size in sizes {
        file.extend(size.to_be_bytes());
    }
    file.extend(bytes);
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zipped.write_all(&file).unwrap();
    zipped.finish().unwrap()
}

#[test]
fn a_corpus_of_several_files_says_which_one_is_read() {
    let pictures: Vec<u8> = (0..20 * 16_u32)
        .map(|pixel| (pixel * 7 % 251) as u8)
        .collect();
    let labels: Vec<u8> = (0..20).map(|number| number % 2).collect();
    let files = ["train", "t10k"].map(|part| {
        [
            (
                format!("/{part}-images-idx3-ubyte.gz"),
                idx(&[20, 4, 4], &pictures),
            ),
            (format!("/{part}-labels-idx1-ubyte.gz"), idx(&[20], &labels)),
        ]
    });
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .flatten()
        .map(|(p, b)| (p.as_str(), b.as_slice()))
        .collect();
    let server = Server::new(&files);
    let remote = files.iter().map(|(path, bytes)| {
        let (address, length, hash) = (&server.address, bytes.len(), sha256(bytes));
        format!("{{ url = \"{address}{path}\", bytes = {length}, sha256 = \"{hash}\" }}")
    });
    let remote: Vec<String> = remote.collect();
    let world = World::new(&format!(
        "fetch = \"yes\"\ntest = '^t10k-'\ndata = 'images-idx3-ubyte\\.gz$'\nfiles = [{}]\n",
        remote.join(", ")
    ));
    // The third file is cut: the first two are not fetched again.
    server.set(|behaviour| {
        behaviour.redirects.insert(files[2].0.into(), "/cut".into());
        let cut = files[2].1[..20].to_vec();
        behaviour.files.insert("/cut".into(), cut);
        behaviour.no_length = true;
    });
    let (code, _, stderr) = world.fetch(&[]);
    assert!(
        code == 1 && stderr.contains("cut after 20 bytes"),
        "{stderr}"
    );
    server.set(|behaviour| {
        behaviour.redirects.clear();
        behaviour.no_length = false;
    });
    server.asked();
    world.fetched(&[]);
    assert_eq!(server.asked(), [20, 0]);
    let train = [
        "train", "pictures", "tiny", "--out", "model", "--labels", "beside", "--grey", "--steps",
        "1", "--preset", "tiny",
    ];
    let (code, _, stderr) = world.run(&train);
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stderr.contains("20 pictures") && stderr.contains("wavenet"),
        "{stderr}"
    );
    let (code, _, stderr) = world.run(&["eval", "model", "tiny.test", "--labels", "beside"]);
    assert_eq!(code, 0, "{stderr}");
    // The folder of one file fits a corpus of one file only.
    fs::write(world.path("one.gz"), b"1").unwrap();
    fs::remove_dir_all(world.path("corpora")).unwrap();
    world.refused(
        &["--from", "one.gz"],
        &["several are needed", "t10k-labels"],
    );
}
