/*! `ensuite score` on text: sentences with their surprising words marked. */

use burn::prelude::*;

use crate::base::files::write_atomic;
use crate::checkpoint::{ModelFolder, ModelManifest};
use crate::cli::score::Args;
use crate::cli::text::{codec, read};
use crate::cli::ui;
use crate::cli::ui::Ui;
use crate::error::Result;
use crate::eval::TextLikelihood;
use crate::sequence::{Token, nll_per_token};
use crate::text::TextFormat;
use crate::text::{Marks, Style};

pub(super) fn run(
    args: &Args,
    text: &TextFormat,
    folder: &ModelFolder,
    manifest: &ModelManifest,
    ui: &Ui,
) -> Result<()> {
    let style = match args.format(&["html", "tsv", "txt"])? {
        "html" => Style::Html,
        "tsv" => Style::Tsv,
        _ => Style::Plain,
    };
    let codec = codec(folder, text)?;
    let sentences = read(&args.file, &text.field, ui)?;
    let net = folder.load(manifest, &Device::flex())?;
    let mut stepper = net.require_sequence()?.stepper(1)?;
    let mut shown = style.head().to_owned();
    let mut total = TextLikelihood::default();
    for (index, sentence) in sentences.iter().enumerate() {
        let spans = codec.spans(sentence)?;
        let mut tokens: Vec<Token> = spans.iter().map(|(token, _)| *token).collect();
        tokens.extend(text.alphabet().stop);
        // Of a VAE: what is surprising to whoever knows the code.
        let code = net
            .latent()
            .map(|latent| latent.encode(&[&tokens]).means().to_vec());
        let nats = nll_per_token(&mut *stepper, code.as_deref(), &tokens);
        total.score(sentence, nats.iter().sum());
        shown += &Marks::new(sentence, &spans, &nats).show(style, index + 1);
    }
    shown += style.foot();
    write_atomic(&args.output, shown.as_bytes())?;
    ui.say(format!("{}", args.output.display()));
    let given = net.latent().map_or("", |_| ", given their codes");
    ui::print(&format!(
        "{total} over {} sentences{given}",
        total.sentences
    ))
}
