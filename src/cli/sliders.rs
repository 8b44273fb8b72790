/*! `ensuite sliders MODEL`: what the numbers of a latent code do to a picture. */

use std::path::PathBuf;

use crate::app::Label;
use crate::app::{
    Axes, Dataset, Making, OpenModel, SamplingOptions, SlidersOptions, check_rows_output,
    fresh_seed, refuse_overwriting,
};
use crate::cli::arguments::{MetadataArgs, parse_label};
use crate::cli::terminal::Terminal;
use crate::error::Result;

/// Show what the numbers of a latent code do to a picture
///
/// Draws one row of pictures for each number, from low to high; the other numbers stay fixed. With --dims it draws a square of two
/// numbers. With --class NAME=all it draws one code with every value of a class, such as all ten digits in one handwriting.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder or the name of a model trained by `train image-vae` or `train gan`
    model: PathBuf,
    /// The file to write: .png, or .gif for one value after another; - for standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Move single numbers of the code, or the principal axes of the codes of --data, in standard deviations
    #[arg(long, value_enum, default_value_t = AxesArg::Kl)]
    axes: AxesArg,
    /// Two numbers of the code, counted from 0: the first across, the second down
    #[arg(long, value_name = "I,J", value_parser = pair)]
    dims: Option<[usize; 2]>,
    /// The lowest and the highest value [default: -2:2; with --data the mean of its codes ± 2 standard deviations]
    #[arg(long, value_name = "FROM:TO", value_parser = range, allow_hyphen_values = true)]
    range: Option<[f64; 2]>,
    /// How many values of each number
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u64).range(2..=200))]
    steps: u64,
    /// Start from the code of this picture instead of zeros
    #[arg(long, value_name = "PICTURE")]
    from: Option<PathBuf>,
    /// Pictures like those of training: sort the rows by KL divergence and take the ranges from their codes
    #[arg(long, value_name = "PICTURES")]
    data: Option<PathBuf>,
    /// Choose a class, as in digit=7, or all values of one, as in digit=all [default: that of --from, or drawn]
    #[arg(long = "class", value_name = "NAME=VALUE", value_parser = parse_label)]
    classes: Vec<Label>,
    /// 0 takes the likeliest colour of each pixel, 1 draws it [default: 0 where pixels are independent given the code, else 1]
    #[arg(long, value_name = "T")]
    temperature: Option<f32>,
    /// The seed of the class that is not given and of sampled pixels, the same for every picture
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How many times to enlarge each pixel
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64))]
    scale: Option<u32>,
    #[command(flatten)]
    metadata: MetadataArgs,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum AxesArg {
    /// Numbers, by falling KL divergence with --data
    Kl,
    /// Principal axes, by falling variance
    Pca,
}

pub(super) fn run(args: Args, words: &[String], terminal: &mut Terminal) -> Result<()> {
    refuse_overwriting(&args.output, args.from.as_deref())?;
    let model = OpenModel::open(&args.model)?;
    check_rows_output(&model, &args.output, args.scale)?;
    let options = SlidersOptions {
        axes: match args.axes {
            AxesArg::Kl => Axes::Kl,
            AxesArg::Pca => Axes::Pca,
        },
        dims: args.dims,
        range: args.range,
        steps: args.steps as usize,
        from: args.from,
        data: args
            .data
            .map(|data| Ok(Dataset::locate(&data)?.path))
            .transpose()?,
        classes: args.classes,
        temperature: args.temperature,
        seed: args.seed.unwrap_or_else(fresh_seed),
    };
    let sliders = model.sliders(&options, terminal)?;
    sliders.write(&args.output, args.scale)?;
    if !args.metadata.no_metadata {
        let making = Making {
            command: words,
            seed: Some(options.seed),
            sampling: SamplingOptions {
                temperature: options.temperature,
                ..SamplingOptions::default()
            },
            classes: &options.classes,
            one_item_each: false,
        };
        model.sign(std::slice::from_ref(&args.output), &making)?;
    }
    for title in &sliders.titles {
        terminal.say(title);
    }
    let labels = match sliders.labels.as_str() {
        "" => String::new(),
        labels => format!(", {labels}"),
    };
    terminal.say(format!(
        "{}: seed {}{labels}",
        args.output.display(),
        options.seed
    ));
    Ok(())
}

fn pair(text: &str) -> std::result::Result<[usize; 2], String> {
    two(text, ',').ok_or_else(|| "give two whole numbers, as in 0,1".into())
}

fn range(text: &str) -> std::result::Result<[f64; 2], String> {
    two(text, ':').ok_or_else(|| "give two numbers, as in -2:2".into())
}

/// Two numbers with a separator between them.
fn two<T: std::str::FromStr>(text: &str, separator: char) -> Option<[T; 2]> {
    let (first, second) = text.split_once(separator)?;
    Some([first.trim().parse().ok()?, second.trim().parse().ok()?])
}
