use super::*;

fn on(day: &str) -> Date {
    day.parse().unwrap()
}

fn read(text: &str) -> Prices {
    read::read(text).unwrap()
}

#[test]
fn the_file_that_comes_along_is_in_order() {
    let prices = read::read(include_str!("../../prices.toml")).unwrap();
    assert!(prices.0.len() > 5);
    for price in &prices.0 {
        assert!(price.cached <= price.input && price.input <= price.output, "{price:?}");
        assert!(price.input <= price.written && price.written <= price.written_long, "{price:?}");
    }
    assert_eq!(Prices::built_in(), prices);
}

#[test]
fn the_price_is_that_of_the_day_the_model_and_the_length() {
    let prices = read(
        r#"
[[price]]
model = "a/*"
from = "2026-01-01"
input = "1"
output = "2"
[[price]]
model = "a/big*"
from = "2026-01-01"
input = "10"
output = "20"
[[price]]
model = "a/big*"
from = "2026-06-01"
input = "5"
output = "10"
[[price]]
model = "a/big*"
from = "2026-06-01"
over = 1000
input = "6"
output = "10"
"#,
    );
    let input = |model: &str, tokens: u64, day: &str| {
        let name: ModelName = model.parse().unwrap();
        prices.of(&name, tokens, on(day)).map(|price| price.input / 1_000_000)
    };
    assert_eq!(input("a/small", 1, "2026-06-01"), Some(1));
    assert_eq!(input("a/big-1", 1, "2026-05-31"), Some(10));
    assert_eq!(input("a/big-1", 1_000, "2026-06-01"), Some(5));
    assert_eq!(input("a/big-1", 1_001, "2026-06-01"), Some(6));
    assert_eq!((input("a/x", 1, "2025-12-31"), input("b/x", 1, "2026-06-01")), (None, None));
}

#[test]
fn each_kind_of_token_has_its_price_and_the_sum_is_rounded_up() {
    let prices = read(
        r#"
[[price]]
model = "a/m"
from = "2026-01-01"
input = "1.25"
cached = "0.125"
written = "1.5625"
written_long = "2.5"
output = "10"
"#,
    );
    let name: ModelName = "a/m".parse().unwrap();
    let usage = Usage {
        input: 1_000,
        cached: 600,
        written: 100,
        written_long: 100,
        output: 10,
        reasoning: 7,
    };
    // 200 * 1.25 + 600 * 0.125 + 100 * 1.5625 + 100 * 2.5 + 10 * 10 = 831.25
    assert_eq!(prices.cost(&name, &usage, on("2026-01-01")), Some(Micros(832)));
    assert_eq!(prices.most(&name, 1_000, 10, on("2026-01-01")), Some(Micros(2_600)));
    assert_eq!(Micros(1_250_001).to_string(), "1.250001");
    // Counts that no provider would send overflow nothing.
    let most = Usage { input: u64::MAX, output: u64::MAX, ..Usage::default() };
    assert_eq!(prices.cost(&name, &most, on("2026-01-01")), Some(Micros(u64::MAX)));
}

#[test]
fn a_file_that_is_wrong_says_where() {
    for (line, part) in [
        ("input = \"1,25\"", "`input` is dollars"),
        ("input = \"-1\"", "`input` is dollars"),
        ("input = \"1.1234567\"", "`input` is dollars"),
        ("input = \"1\"\nvalid = 1", "unknown field"),
    ] {
        let text =
            format!("[[price]]\nmodel = \"a/m\"\nfrom = \"2026-01-01\"\noutput = \"1\"\n{line}\n");
        let error = read::read(&text).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    let error =
        read::read("[[price]]\nmodel = \"a/m\"\nfrom = \"May\"\ninput = \"1\"\noutput = \"1\"\n");
    assert!(error.unwrap_err().contains("`from` is a day"));
}

proptest::proptest! {
    /// Whatever a provider says that it used, of at most the estimate, costs at most the estimate.
    #[test]
    fn no_split_of_tokens_costs_more_than_the_most(
        input in 0_u64..2_000_000, output in 0_u64..200_000, at in 0_usize..1_000,
        (a, b, c) in (0_u64..=100, 0_u64..=100, 0_u64..=100),
    ) {
        let prices = Prices::built_in();
        let model = &prices.0[at % prices.0.len()].model;
        let name: ModelName = model.replace('*', "x").parse().unwrap();
        let used = input * a.max(1) / 100;
        let cached = used * b / 100;
        let written = (used - cached) * c / 100;
        let usage = Usage { input: used, cached, written, written_long: used - cached - written, output, reasoning: 0 };
        let day = on("2027-01-01");
        proptest::prop_assert!(prices.cost(&name, &usage, day) <= prices.most(&name, input, output, day));
    }
}
