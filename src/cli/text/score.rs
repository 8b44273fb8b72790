/*! `ensuite score` on text: sentences with their surprising words marked. */

use burn::prelude::*;

use super::{codec, read};
use crate::checkpoint::{Description, ModelFolder, write_aside};
use crate::cli::score::Args;
use crate::cli::ui::{self, Ui};
use crate::error::Result;
use crate::measure::TextLikelihood;
use crate::medium::Text;
use crate::nets::SequenceModel;
use crate::sequence::{Token, surprisals};
use crate::text::{Marks, Style};
use crate::train::encode;

pub(super) fn run(
    args: &Args,
    text: &Text,
    folder: &ModelFolder,
    description: &Description,
    ui: &Ui,
) -> Result<()> {
    let style = match args.format(&["html", "tsv", "txt"])? {
        "html" => Style::Html,
        "tsv" => Style::Tsv,
        _ => Style::Plain,
    };
    let codec = codec(folder, text)?;
    let sentences = read(&args.file, &text.field, ui)?;
    let net = folder.load(description, &Device::flex())?;
    let mut stepper = net.stepper(1)?;
    let mut shown = style.head().to_owned();
    let mut total = TextLikelihood::default();
    for (index, sentence) in sentences.iter().enumerate() {
        let spans = codec.spans(sentence)?;
        let mut tokens: Vec<Token> = spans.iter().map(|(token, _)| *token).collect();
        tokens.extend(text.alphabet().stop);
        // Of a VAE: what is surprising to whoever knows the code.
        let code = net
            .vae()
            .map(|vae| encode(vae, &[&tokens]).means().to_vec());
        let nats = surprisals(&mut *stepper, code.as_deref(), &tokens);
        total.score(sentence, nats.iter().sum());
        shown += &Marks::new(sentence, &spans, &nats).show(style, index + 1);
    }
    shown += style.foot();
    write_aside(&args.output, shown.as_bytes())?;
    ui.say(format!("{}", args.output.display()));
    let given = net.vae().map_or("", |_| ", given their codes");
    ui::print(&format!(
        "{total} over {} sentences{given}",
        total.sentences
    ))
}
