//! The value of a Kubernetes quantity: `1Gi`, `1024Mi` and `1073741824` are the same.
//!
//! Texts come from users and from stored objects, so this is exact and total: it reads what `resource.Quantity` of
//! Kubernetes reads (by its grammar), takes one look at each digit however many there are, and saturates.

/// The value of a quantity in billionths. Kubernetes rounds what is finer away from zero, and caps what has a binary suffix
/// at 2⁶³-1. Beyond 10²⁹ all values are the same here: no cluster has so much of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i128);

const BILLION: i128 = 1_000_000_000;
/// As many decimal digits as there are in the largest value, and one more.
const MOST_DIGITS: i64 = 39;
const LARGEST_BINARY: i128 = i64::MAX as i128 * BILLION;

/// What the number is multiplied by.
#[derive(Clone, Copy)]
enum Suffix {
    /// A power of ten.
    Decimal(i64),
    /// A power of two.
    Binary(u32),
}

impl Amount {
    /// `None` for what is not a quantity.
    pub fn parse(text: &str) -> Option<Amount> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, rest) = split_digits(unsigned);
        let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), split_digits);
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let amount = match suffix(rest)? {
            Suffix::Decimal(exponent) => decimal(whole, fraction, exponent),
            Suffix::Binary(exponent) => binary(whole, fraction, exponent),
        };
        Some(Amount(if negative { -amount } else { amount }))
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn suffix(text: &str) -> Option<Suffix> {
    let known = match text {
        "n" => Suffix::Decimal(-9),
        "u" => Suffix::Decimal(-6),
        "m" => Suffix::Decimal(-3),
        "" => Suffix::Decimal(0),
        "k" => Suffix::Decimal(3),
        "M" => Suffix::Decimal(6),
        "G" => Suffix::Decimal(9),
        "T" => Suffix::Decimal(12),
        "P" => Suffix::Decimal(15),
        "E" => Suffix::Decimal(18),
        "Ki" => Suffix::Binary(10),
        "Mi" => Suffix::Binary(20),
        "Gi" => Suffix::Binary(30),
        "Ti" => Suffix::Binary(40),
        "Pi" => Suffix::Binary(50),
        "Ei" => Suffix::Binary(60),
        _ => Suffix::Decimal(exponent(text.strip_prefix(['e', 'E'])?)?),
    };
    Some(known)
}

fn exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = values(digits).fold(0_i64, |size, digit| size.saturating_mul(10).saturating_add(digit.into()));
    Some(if text.starts_with('-') { -size } else { size })
}

fn values(digits: &str) -> impl DoubleEndedIterator<Item = u8> {
    digits.bytes().map(|byte| byte - b'0')
}

/// Moves the decimal point; digits that stay behind it round up.
fn decimal(whole: &str, fraction: &str, exponent: i64) -> i128 {
    let length = |digits: &str| i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let point = length(whole).saturating_add(9).saturating_add(exponent);
    let mut amount = 0_i128;
    let mut inexact = false;
    let mut place = 0_i64;
    for digit in values(whole).chain(values(fraction)) {
        if place < point {
            amount = append(amount, digit);
        } else {
            inexact |= digit > 0;
        }
        place = place.saturating_add(1);
    }
    for _ in 0..point.saturating_sub(place).clamp(0, MOST_DIGITS) {
        amount = append(amount, 0);
    }
    amount.saturating_add(inexact.into())
}

fn append(amount: i128, digit: u8) -> i128 {
    amount.saturating_mul(10).saturating_add(digit.into())
}

/// The fraction is summed up from its last digit, so that rounding down at each step loses nothing but whether there was
/// something to lose.
fn binary(whole: &str, fraction: &str, exponent: u32) -> i128 {
    let unit = BILLION << exponent;
    let mut part = 0_i128;
    let mut inexact = false;
    for digit in values(fraction).rev() {
        let sum = part + unit * i128::from(digit);
        part = sum / 10;
        inexact |= sum % 10 != 0;
    }
    let amount = values(whole).fold(0, append).saturating_mul(unit).saturating_add(part);
    amount.saturating_add(inexact.into()).min(LARGEST_BINARY)
}

#[cfg(test)]
mod tests {
    use super::Amount;
    use num_bigint::BigInt;
    use proptest::prelude::*;

    fn parse(text: &str) -> Amount {
        Amount::parse(text).unwrap_or_else(|| panic!("{text} is a quantity"))
    }

    /// Pairs that Kubernetes finds equal, mostly from the tests of `resource.Quantity`.
    #[test]
    fn texts_of_one_value_are_equal() {
        let cases = [
            ("1000m", "1"),
            ("107374182400", "100Gi"),
            ("3T", "3000000000000"),
            ("1Ei", "1152921504606846976"),
            ("1E", "1e18"),
            ("1E3", "1k"),
            ("1.3E+6", "1300k"),
            ("0.5e-2", "5m"),
            ("100.035k", "100035"),
            ("100.035Ki", "102435.84"),
            ("0.05Gi", "53687091.2"),
            ("0.025Ti", "27487790694.4"),
            (".001", "1m"),
            (".0001k", "100m"),
            ("1.", "1"),
            ("1.G", "1G"),
            ("+1", "1"),
            ("0Ki", "0"),
            ("-0", "0"),
            ("00012", "12"),
            ("3.001n", "4n"),
            ("1.1E-9", "2n"),
            ("0.9n", "1n"),
            ("0.0000000001", "1n"),
            ("-0.0000000001", "-1n"),
            ("0.00000012345", "124n"),
            ("0.000000000001Ki", "2n"),
            ("1e-1000000000000000000000", "1n"),
            ("9Ei", "9223372036854775807"),
            ("9223372036854775807Ki", "9223372036854775807"),
            ("-9Ei", "-9223372036854775807"),
            ("7.99999999999999999999Ei", "9223372036854775807"),
            ("0e1000000000000000000000", "0"),
            // Beyond the precision of the comparison.
            ("10000000000000000P", "1e1000000000000000000000"),
        ];
        for (a, b) in cases {
            assert_eq!(parse(a), parse(b), "{a} and {b}");
        }
    }

    #[test]
    fn quantities_are_in_order() {
        let ascending = [
            "-10000000000000000P",
            "-12E",
            "-1Ki",
            "-1n",
            "0",
            "1n",
            "2n",
            "1u",
            "50m",
            "100m",
            "1",
            "1k",
            "1Ki",
            "100Gi",
            "107374182401",
            "3T",
            "1Ei",
            "9Ei",
            "12E",
            "16e18",
            "10000000000P",
            "10000000000000000P",
        ];
        for pair in ascending.windows(2) {
            assert!(parse(pair[0]) < parse(pair[1]), "{} and {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn what_is_none_is_none() {
        let none = [
            "", "+", "-", ".", "-.", "m", "Ki", "E", "lots", " 1", "1 ", "1\n", "1.1.M", "1+1.0M", "0.1mi", "0.1am",
            ".5i", "1i", "-3.01i", "-3.01e-", "1e", "1E+", "1e1.5", "1e5m", "1Kii", "1K", "--1", "+-1", "1,5", "0x10",
            "١", "1µ", "1_000", "1e--5", "NaN", "inf",
        ];
        for text in none {
            assert_eq!(Amount::parse(text), None, "{text:?}");
        }
    }

    /// Linear in the text, without memory of its own: each of these takes milliseconds.
    #[test]
    fn a_megabyte_of_digits_is_read_in_one_go() {
        let digits = "9".repeat(1_000_000);
        for (text, same) in [
            (format!("{digits}Ei"), "9Ei"),
            (format!("{digits}P"), "1e40"),
            (format!("0.{digits}Ki"), "1Ki"),
            (format!("0.{digits}"), "1"),
            (format!("1e{digits}"), "1e40"),
            (format!("-1e-{digits}"), "-1n"),
            (format!("{digits}e-999999"), "10"),
        ] {
            assert_eq!(parse(&text), parse(same), "{}…", &text[..20]);
        }
    }

    /// The same by other means: fractions of whole numbers of any size.
    fn oracle(text: &str) -> BigInt {
        let billion = BigInt::from(1_000_000_000);
        let power = |of: u32, by: i64| BigInt::from(of).pow(u32::try_from(by).expect("it is small"));
        let (sign, text) = match text.strip_prefix('-') {
            Some(text) => (-1, text),
            None => (1, text.trim_start_matches('+')),
        };
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = format!("0{whole}{fraction}").parse::<BigInt>().expect("digits");
        let places = i64::try_from(fraction.len()).expect("it is short");
        let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].iter().position(|known| *known == suffix);
        let decimal = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"].iter().position(|known| *known == suffix);
        let exponent = match (binary, decimal) {
            (Some(_), _) => 0,
            (None, Some(index)) => 3 * i64::try_from(index).expect("it is small") - 9,
            (None, None) => suffix[1..].parse().expect("an exponent"),
        };
        let two = binary.map_or(0, |index| 10 * (index as i64 + 1));
        let top = digits * &billion * power(2, two) * power(10, exponent.max(0));
        let bottom = power(10, places) * power(10, (-exponent).max(0));
        let up: BigInt = (&top + &bottom - 1) / bottom;
        let capped = if binary.is_some() { up.min(BigInt::from(i64::MAX) * billion) } else { up };
        capped.min(BigInt::from(i128::MAX)) * sign
    }

    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            "[0-9]{1,6}",
            "[0-9]{1,40}",
            "[0-9]{1,22}\\.[0-9]{0,22}",
            "\\.[0-9]{1,30}",
            "0{0,3}[0-9]\\.0{0,12}[0-9]"
        ]
    }

    fn text() -> impl Strategy<Value = String> {
        let suffix = prop_oneof![
            4 => prop::sample::select(vec![
                "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
            ]).prop_map(str::to_owned),
            1 => "[eE][-+]?[0-9]{1,2}",
        ];
        ("[-+]?", number(), suffix).prop_map(|(sign, number, suffix)| format!("{sign}{number}{suffix}"))
    }

    /// The same number written in another way.
    fn rewritten(text: &str) -> Vec<String> {
        let zeros = text.trim_start_matches(['-', '+']);
        let sign = &text[..text.len() - zeros.len()];
        let mut all = vec![format!("{sign}000{zeros}")];
        for (suffix, other) in [("k", "e3"), ("M", "000k"), ("m", "e-3"), ("Mi", "Mi"), ("E", "e18")] {
            if let Some(number) = zeros.strip_suffix(suffix).filter(|number| !number.contains('.')) {
                all.push(format!("{sign}{number}{other}"));
            }
        }
        all
    }

    proptest! {
        #[test]
        fn all_pairs_compare_as_exact_numbers_do(mut texts in prop::collection::vec(text(), 2..12)) {
            let more: Vec<_> = texts.iter().flat_map(|text| rewritten(text)).collect();
            texts.extend(more);
            let both: Vec<_> = texts.iter().map(|text| (text, parse(text), oracle(text))).collect();
            for (a, amount, exact) in &both {
                prop_assert_eq!(BigInt::from(amount.0), exact.clone(), "{}", a);
                for (b, other, other_exact) in &both {
                    prop_assert_eq!(amount.cmp(other), exact.cmp(other_exact), "{} and {}", a, b);
                }
            }
        }

        #[test]
        fn no_text_is_too_much(text in "\\PC{0,40}|[-+]{0,2}[0-9.]{0,30}[eEinumkKMGTP]{0,3}[-+]?[0-9]{0,30}") {
            let negative = Amount::parse(&format!("-{text}"));
            if let (Some(amount), Some(negative)) = (Amount::parse(&text), negative) {
                prop_assert_eq!(amount.0, -negative.0);
            }
        }
    }
}
