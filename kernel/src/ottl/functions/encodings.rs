//! Bytes as texts, and texts as bytes.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use encoding_rs::Encoding;

use super::{Complaint, Function, Kind, literal_text, needed, optional};
use crate::hex;
use crate::ottl::datum::{Datum, Failure};

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("Hex", &[needed("target", Kind::BytesLike)], |args| {
        Ok(Datum::Text(Cow::Owned(hex::encode(&args.bytes_like(0)?.unwrap_or_default()))))
    }),
    Function::new("Base64Encode", &[needed("target", Kind::Text), optional("variant", Kind::Text)], |args| {
        let variant = if args.is_given(1) { args.text(1)? } else { Cow::Borrowed(&b"base64"[..]) };
        let engine = engine(&variant).ok_or_else(|| {
            Failure::new(format!("unsupported base64 variant: {}", String::from_utf8_lossy(&variant)))
        })?;
        Ok(Datum::Text(Cow::Owned(engine.encode(args.text(0)?).into_bytes())))
    }),
    Function::new("Base64Decode", &[needed("target", Kind::Text)], |args| {
        decode_base64(STANDARD, &args.text(0)?).map_err(Failure::new)
    }),
    Function {
        check: |arguments| match literal_text(arguments, 1) {
            Some(name) if engine(name).is_none() && text_encoding(name).is_none() => {
                let text = format!("unsupported encoding {:?}", String::from_utf8_lossy(name));
                Err(Complaint { index: 1, text })
            }
            _ => Ok(()),
        },
        ..Function::new("Decode", &[needed("target", Kind::Any), needed("encoding", Kind::Text)], |args| {
            let bytes = match args.value(0)? {
                Datum::Text(bytes) | Datum::Bytes(bytes) => bytes,
                other => {
                    let name = if matches!(other, Datum::Nil) { "<nil>" } else { other.type_name() };
                    return Err(Failure::new(format!("unsupported type provided to Decode function: {name}")));
                }
            };
            let name = args.text(1)?;
            if let Some(engine) = engine(&name) {
                return decode_base64(engine, &bytes).map_err(|why| Failure::new(format!("could not decode: {why}")));
            }
            let encoding = text_encoding(&name)
                .ok_or_else(|| Failure::new(format!("unsupported encoding '{}'", String::from_utf8_lossy(&name))))?;
            // Characters that the encoding does not know become U+FFFD.
            let text = encoding.decode_without_bom_handling(&bytes).0.into_owned();
            Ok(Datum::Text(Cow::Owned(text.into_bytes())))
        })
    },
];

fn engine(variant: &[u8]) -> Option<GeneralPurpose> {
    Some(match variant {
        b"base64" => STANDARD,
        b"base64-raw" => STANDARD_NO_PAD,
        b"base64-url" => URL_SAFE,
        b"base64-raw-url" => URL_SAFE_NO_PAD,
        _ => return None,
    })
}

fn text_encoding(name: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_label(name)
}

/// The text that was encoded; bytes that are no UTF-8 become U+FFFD.
fn decode_base64<'v>(engine: GeneralPurpose, text: &[u8]) -> Result<Datum<'v>, String> {
    match engine.decode(text) {
        Ok(bytes) => Ok(Datum::Text(Cow::Owned(match String::from_utf8(bytes) {
            Ok(text) => text.into_bytes(),
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned().into_bytes(),
        }))),
        Err(base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _)) => {
            Err(format!("illegal base64 data at input byte {at}"))
        }
        Err(_) => Err(format!("illegal base64 data at input byte {}", text.len() / 4 * 4)),
    }
}
