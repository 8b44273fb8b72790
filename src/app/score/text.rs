/*! Scoring sentences: a page, a table or text with unlikely words marked. */

use burn::prelude::*;

use super::options::ScoreOptions;
use crate::app::import::read_sentences;
use crate::app::{Observer, OpenModel};
use crate::base::files::write_output;
use crate::error::Result;
use crate::eval::TextLikelihood;
use crate::sequence::{Conditions, Token, nll_per_token};
use crate::text::{Highlights, Style};

pub(super) fn score(
    model: &OpenModel,
    options: &ScoreOptions,
    observer: &mut dyn Observer,
) -> Result<String> {
    let style = match options.format(&["html", "tsv", "txt"])? {
        "html" => Style::Html,
        "tsv" => Style::Tsv,
        _ => Style::Plain,
    };
    let (text, codec) = model.text()?;
    let sentences = read_sentences(&options.file, &text.field, observer)?;
    let net = model.load(&Device::flex())?;
    let mut stepper = net.require_sequence()?.stepper(1)?;
    let mut shown = style.head().to_owned();
    let mut total = TextLikelihood::default();
    for (index, sentence) in sentences.iter().enumerate() {
        let spans = codec.spans(sentence)?;
        let mut tokens: Vec<Token> = spans.iter().map(|(token, _)| *token).collect();
        tokens.extend(text.alphabet().stop);
        // A VAE scores a sentence given its latent code.
        let code = net
            .latent()
            .map(|latent| latent.encode(&[&tokens], &[&[]]).means().to_vec());
        let nats = nll_per_token(
            &mut *stepper,
            Conditions::whole(code.as_deref().unwrap_or_default()),
            &tokens,
        );
        total.score(sentence, nats.iter().sum());
        shown += &Highlights::new(sentence, &spans, &nats).show(style, index + 1);
    }
    shown += style.foot();
    write_output(&options.output, shown.as_bytes())?;
    observer.info(options.output.display().to_string());
    let given = net.latent().map_or("", |_| ", given their latent codes");
    Ok(format!("{total} over {} sentences{given}", total.sentences))
}
