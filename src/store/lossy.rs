//! Text of a database that may be none: SQLite keeps whatever bytes somebody calls text.

use std::borrow::Cow;

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgTypeInfo, PgValueRef};
use sqlx::sqlite::{SqliteTypeInfo, SqliteValueRef};
use sqlx::{Decode, Postgres, Sqlite, Type};

/// Text in which U+FFFD stands for what is none, so that it can be told what is wrong with it.
#[derive(Debug)]
pub(super) struct Lossy(pub(super) String);

impl From<Cow<'_, str>> for Lossy {
    fn from(text: Cow<'_, str>) -> Self {
        Self(text.into_owned())
    }
}

impl Type<Sqlite> for Lossy {
    fn type_info() -> SqliteTypeInfo {
        <str as Type<Sqlite>>::type_info()
    }
}

impl Decode<'_, Sqlite> for Lossy {
    fn decode(value: SqliteValueRef<'_>) -> Result<Self, BoxDynError> {
        Ok(String::from_utf8_lossy(<&[u8] as Decode<Sqlite>>::decode(value)?).into())
    }
}

impl Type<Postgres> for Lossy {
    fn type_info() -> PgTypeInfo {
        <str as Type<Postgres>>::type_info()
    }

    fn compatible(ty: &PgTypeInfo) -> bool {
        <str as Type<Postgres>>::compatible(ty)
    }
}

impl Decode<'_, Postgres> for Lossy {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        Ok(Self(<String as Decode<Postgres>>::decode(value)?))
    }
}
