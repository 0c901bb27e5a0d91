//! Names of the schema as JSON has them: `trace_id` is `traceId`.

/// No name of the schema is longer.
const LONGEST: usize = 24;

/// A name in lowerCamelCase, made at compile time.
#[derive(Clone, Copy, Debug)]
pub struct Camel {
    bytes: [u8; LONGEST],
    length: u8,
}

impl Camel {
    /// `snake` is ASCII, and does not compile if it is too long.
    pub const fn of(snake: &str) -> Self {
        let snake = snake.as_bytes();
        let mut bytes = [0; LONGEST];
        let (mut from, mut length) = (0, 0);
        while from < snake.len() {
            let is_next_word = from > 0 && snake[from - 1] == b'_';
            if snake[from] != b'_' {
                bytes[length] = if is_next_word { snake[from].to_ascii_uppercase() } else { snake[from] };
                length += 1;
            }
            from += 1;
        }
        Self { bytes, length: length as u8 }
    }

    #[inline(always)]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl std::fmt::Display for Camel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_bytes().escape_ascii().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Camel;

    #[test]
    fn words_begin_with_capitals_but_the_first() {
        for (snake, camel) in
            [("name", "name"), ("trace_id", "traceId"), ("start_time_unix_nano", "startTimeUnixNano"), ("", "")]
        {
            assert_eq!(Camel::of(snake).to_string(), camel);
        }
    }
}
