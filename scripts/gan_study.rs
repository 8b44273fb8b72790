//! Trains every objective of a GAN, and a VAE, with random settings, and draws how far the results spread.

#![allow(clippy::print_stdout)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use ensuite::internals::{draw_boxes, rng_stream};
use rand_core::Rng;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const OBJECTIVES: [&str; 8] = [
    "ns", "mm", "lsgan", "wgan", "wgan-gp", "dragan", "began", "r3gan",
];
const VAE: &str = "vae";
/// Pictures that each model makes.
const MADE: &str = "5000";

#[derive(Parser)]
struct Args {
    /// The program.
    ensuite: PathBuf,
    /// A folder with MNIST's four files.
    data: PathBuf,
    /// Where models, table and drawing are written.
    out: PathBuf,
    /// Random settings of each objective.
    #[arg(long, default_value_t = 5)]
    settings: u64,
    /// Minutes of each training.
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// The size of the networks.
    #[arg(long, default_value = "small")]
    preset: String,
}

fn main() -> Result<()> {
    let args = Args::parse();
    fs::create_dir_all(&args.out)?;
    let table = args.out.join("study.csv");
    if !table.exists() {
        fs::write(
            &table,
            "objective,setting,preset,changes,frechet,coverage\n",
        )?;
    }
    let judge = args.judge()?;
    // Every objective has its first setting before one has its second.
    for setting in 0..args.settings {
        for objective in OBJECTIVES.into_iter().chain([VAE]) {
            let done = fs::read_to_string(&table)?;
            if done.contains(&format!("\n{objective},{setting},{},", args.preset)) {
                continue;
            }
            let row = args.run(objective, setting, &judge)?;
            println!("{row}");
            fs::write(&table, format!("{done}{row}\n"))?;
            draw(&table, &args.preset, &args.out.join("study.png"))?;
        }
    }
    Ok(())
}

impl Args {
    fn file(&self, name: &str) -> String {
        self.data.join(name).display().to_string()
    }

    /// Runs the program with these arguments; returns what it printed.
    fn ensuite(&self, arguments: &[&str]) -> Result<String> {
        let ran = Command::new(&self.ensuite).args(arguments).output()?;
        if ran.status.success() {
            return Ok(String::from_utf8(ran.stdout)?);
        }
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        Err(format!("ensuite {}: {said}", arguments.join(" ")).into())
    }

    /// A classifier whose features measure all models; it is trained once.
    fn judge(&self) -> Result<String> {
        let judge = self.out.join("judge").display().to_string();
        if !Path::new(&judge).join("weights.safetensors").exists() {
            let pictures = self.file("train-images-idx3-ubyte.gz");
            let common = [
                "train",
                "classifier",
                &pictures,
                "--grey",
                "--labels",
                "beside",
            ];
            let more = ["--out", &judge, "--minutes", "3", "--seed", "1", "--force"];
            self.ensuite(&[&common[..], &more].concat())?;
        }
        Ok(judge)
    }

    /// Trains and judges one model; returns its row of the table, which has no figures where training diverged.
    fn run(&self, objective: &str, setting: u64, judge: &str) -> Result<String> {
        let (changes, config, steps) = drawn(objective, setting);
        let folder = self
            .out
            .join(format!("{objective}-{setting}-{}", self.preset));
        let (model, file) = (folder.display().to_string(), folder.with_extension("toml"));
        fs::write(&file, config)?;
        let (config, minutes) = (file.display().to_string(), self.minutes.to_string());
        let pictures = self.file("train-images-idx3-ubyte.gz");
        let family = if objective == VAE { "image-vae" } else { "gan" };
        let mut train = vec![
            "train", family, &pictures, "--grey", "--out", &model, "--force",
        ];
        train.extend(["--config", &config, "--minutes", &minutes, "--seed", "1"]);
        train.extend(["--preset", &self.preset]);
        let steps = steps.to_string();
        if objective != VAE {
            train.extend(["--objective", objective, "--discriminator-steps", &steps]);
        }
        if let Err(error) = self.ensuite(&train) {
            let text = error.to_string();
            return if text.contains("diverged") {
                Ok(format!("{objective},{setting},{},{changes},,", self.preset))
            } else {
                Err(error)
            };
        }
        let test = self.file("t10k-images-idx3-ubyte.gz");
        let found = self.ensuite(&[
            "eval",
            &model,
            &test,
            "--generated",
            MADE,
            "--judge",
            judge,
            "--json",
        ])?;
        let found: serde_json::Value = serde_json::from_str(&found)?;
        // A VAE has its figures beside its likelihood.
        let judged = [&found["judged"], &found["generated"]["judged"]];
        let made = judged.into_iter().find(|judged| !judged.is_null());
        let made = &made.ok_or("eval judged nothing")?["made"];
        let number = |of: &str| made[of].as_f64().ok_or("eval found no number");
        let (frechet, coverage) = (number("frechet")?, number("coverage")?);
        Ok(format!(
            "{objective},{setting},{},{changes},{frechet:.2},{coverage:.3}",
            self.preset
        ))
    }
}

/// Settings drawn at random (ibid., table 2, for wide ranges): what they are in words, as a config file, and the updates of the
/// discriminator for one of the generator.
fn drawn(objective: &str, setting: u64) -> (String, String, u32) {
    let mut random = rng_stream(setting, *b"settings", 0);
    let mut uniform = || f64::from(random.next_u32()) / 4_294_967_296.0;
    let rate = 10_f64.powf(-4.0 + 2.0 * uniform());
    let beta1 = [0.0, 0.5, 0.9][(3.0 * uniform()) as usize % 3];
    let steps = if uniform() < 0.5 { 1 } else { 5 };
    let scale = 4_f64.powf(2.0 * uniform() - 1.0);
    let penalty = match objective {
        "wgan-gp" | "dragan" => format!("[adversarial]\npenalty = {:.3}\n", 10.0 * scale),
        "r3gan" => format!("[adversarial]\npenalty = {:.3}\n", 0.5 * scale),
        "wgan" => format!("[adversarial]\nclip = {:.4}\n", 0.02 * scale),
        _ => String::new(),
    };
    let optimizer =
        format!("[training]\nlearning_rate = {rate:.6}\n[training.optimizer]\nbeta1 = {beta1:?}\n");
    let words = format!(
        "rate {rate:.1e} beta1 {beta1} k {steps} {}",
        penalty
            .replace("[adversarial]\n", "")
            .replace(" = ", " ")
            .trim()
    );
    (
        words.trim().to_owned(),
        format!("{penalty}{optimizer}"),
        steps,
    )
}

fn draw(table: &Path, preset: &str, picture: &Path) -> Result<()> {
    let rows = fs::read_to_string(table)?;
    let groups = OBJECTIVES.into_iter().chain([VAE]).map(|objective| {
        let of = rows.lines().map(|row| row.split(',').collect::<Vec<_>>());
        let of = of.filter(|row| row.first() == Some(&objective) && row.get(2) == Some(&preset));
        let results = of.filter_map(|row| row.get(4)?.parse().ok());
        (objective.to_owned(), results.collect())
    });
    let groups: Vec<(String, Vec<f64>)> = groups.collect();
    Ok(draw_boxes(
        &groups,
        "Fréchet distance in the judge's features",
        picture,
    )?)
}
