//! What a service earns.

use flyball_model::Rational;

use crate::money::Money;

/// What is not earned in an hour that a service is down.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revenue {
    /// How much, exactly.
    #[serde(with = "amount")]
    pub amount: Rational,
    /// Of which money: the three letters of ISO 4217. Nothing is converted.
    #[serde(deserialize_with = "currency")]
    pub currency: String,
}

impl Revenue {
    /// The same as an exact amount; `None` for a currency that is none.
    pub fn money(&self) -> Option<Money> {
        Some(Money::of(self.amount, self.currency.parse().ok()?))
    }
}

fn currency<'de, D: serde::Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    let text = <String as serde::Deserialize>::deserialize(input)?;
    if text.len() == 3 && text.bytes().all(|letter| letter.is_ascii_uppercase()) {
        return Ok(text);
    }
    Err(serde::de::Error::custom(format!(
        "`{}` is no currency; write the three letters of ISO 4217, like EUR",
        text.chars().take(16).collect::<String>()
    )))
}

/// An amount of money: a whole number, or a decimal as text, so that nothing is lost on the way.
mod amount {
    use flyball_model::Rational;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    /// As it may be written.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Whole(u64),
        Text(String),
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Rational, D::Error> {
        const HOW: &str = "write a whole number, or a decimal in quotes like '1250.50'";
        let written = Written::deserialize(input).map_err(|_| D::Error::custom(HOW))?;
        let amount = match written {
            Written::Whole(whole) => Rational::new(whole, 1),
            Written::Text(text) => Rational::parse(&text),
        };
        amount.ok_or_else(|| D::Error::custom(HOW))
    }

    pub(super) fn serialize<S: Serializer>(
        amount: &Rational,
        output: S,
    ) -> Result<S::Ok, S::Error> {
        output.collect_str(amount)
    }
}

/// An amount, where there is one.
pub(crate) mod amount_or_none {
    use flyball_model::Rational;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::amount;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<Rational>, D::Error> {
        #[derive(Deserialize)]
        #[serde(transparent)]
        struct Amount(#[serde(deserialize_with = "amount::deserialize")] Rational);
        Ok(Option::<Amount>::deserialize(input)?.map(|Amount(amount)| amount))
    }

    #[expect(clippy::ref_option, reason = "serde passes fields by reference")]
    pub(crate) fn serialize<S: Serializer>(
        amount: &Option<Rational>,
        output: S,
    ) -> Result<S::Ok, S::Error> {
        match amount {
            Some(amount) => amount::serialize(amount, output),
            None => output.serialize_none(),
        }
    }
}
