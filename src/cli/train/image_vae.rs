/*! `ensuite train image-vae`. */

use crate::app::ImageDecoder;
use crate::app::train::{ImageVaeTraining, PictureFamily, PictureTraining, train_pictures};
use crate::cli::terminal::Terminal;
use crate::cli::train::pictures;
use crate::error::Result;

/// Train an image VAE: a latent code of a few numbers for each picture
///
/// The log has both terms of the loss, reconstruction and KL divergence. samples/ in the model folder holds pictures from random
/// codes, and held-out pictures above their reconstructions. With classes (--label-folders and the like) the encoder and the
/// decoder also read the class, so that the code need not hold it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pictures: pictures::Args,
    /// What draws a picture from a code: conv (transposed convolutions) or dense, all pixels at once; or wavenet or lstm,
    /// pixel by pixel, which is sharper, slower, and leaves less to the code [default: conv]
    #[arg(long, value_name = "WHAT", help_heading = "VAE")]
    decoder: Option<DecoderArg>,
    /// Numbers of a latent code [default: 10]
    #[arg(long, value_name = "N", help_heading = "VAE")]
    latent: Option<usize>,
    /// The weight of the KL divergence: above 1 each number changes one property, and more random codes give readable pictures; reconstructions get worse [default: 1]
    #[arg(
        long,
        value_name = "B",
        help_heading = "VAE",
        allow_negative_numbers = true
    )]
    beta: Option<f64>,
    /// Weight K codes of each picture by importance (IWAE): a better likelihood, for K times the work of the decoder [default: 1]
    #[arg(long, value_name = "K", help_heading = "VAE")]
    iw: Option<usize>,
    /// Train a plain autoencoder: no noise on the codes and no KL divergence
    #[arg(long, help_heading = "VAE", conflicts_with = "beta")]
    autoencoder: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum DecoderArg {
    Conv,
    Dense,
    Wavenet,
    Lstm,
}

pub(super) fn run(args: Args, terminal: &mut Terminal) -> Result<()> {
    let (pictures, options) = args.pictures.parts()?;
    let data = PictureTraining {
        family: PictureFamily::Vae(ImageVaeTraining {
            decoder: args.decoder.map(|decoder| match decoder {
                DecoderArg::Conv => ImageDecoder::Conv,
                DecoderArg::Dense => ImageDecoder::Dense,
                DecoderArg::Wavenet => ImageDecoder::WaveNet,
                DecoderArg::Lstm => ImageDecoder::Lstm,
            }),
            latent: args.latent,
            beta: args.beta,
            codes: args.iw,
            autoencoder: args.autoencoder,
        }),
        ..pictures
    };
    train_pictures(&data, &options, terminal).map(drop)
}
