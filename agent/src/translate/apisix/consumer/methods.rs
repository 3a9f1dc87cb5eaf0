//! Ways in which a caller proves who it is, and what the plugin of each wants to know.

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::translate::apisix) enum Method {
    KeyAuth,
    BasicAuth,
    JwtAuth,
    WolfRbac,
    HmacAuth,
    LdapAuth,
}

/// What a value is, which in a Secret is written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    /// A whole number from this on.
    Whole(i64),
    Flag,
    /// Several, separated by commas or blanks.
    Words,
}

/// A value of a credential.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// Whether there is no credential without it.
    pub(super) needed: bool,
}

const fn needed(name: &'static str) -> Part {
    Part {
        name,
        form: Form::Text,
        needed: true,
    }
}

const fn given(name: &'static str, form: Form) -> Part {
    Part {
        name,
        form,
        needed: false,
    }
}

const KEY_AUTH: &[Part] = &[needed("key")];
const BASIC_AUTH: &[Part] = &[needed("username"), needed("password")];
const JWT_AUTH: &[Part] = &[
    needed("key"),
    given("secret", Form::Text),
    given("public_key", Form::Text),
    given("private_key", Form::Text),
    given("algorithm", Form::Text),
    given("exp", Form::Whole(1)),
    given("base64_secret", Form::Flag),
    given("lifetime_grace_period", Form::Whole(0)),
];
const WOLF_RBAC: &[Part] = &[
    given("server", Form::Text),
    given("appid", Form::Text),
    given("header_prefix", Form::Text),
];
const HMAC_AUTH: &[Part] = &[
    needed("key_id"),
    needed("secret_key"),
    given("access_key", Form::Text),
    given("algorithm", Form::Text),
    given("clock_skew", Form::Whole(0)),
    given("signed_headers", Form::Words),
    given("keep_headers", Form::Flag),
    given("encode_uri_params", Form::Flag),
    given("validate_request_body", Form::Flag),
    given("max_req_body", Form::Whole(0)),
];
const LDAP_AUTH: &[Part] = &[needed("user_dn")];

impl Method {
    /// In the order in which apisix-ingress-controller takes the first that is given.
    pub(super) const ALL: [Self; 6] = [
        Self::KeyAuth,
        Self::BasicAuth,
        Self::JwtAuth,
        Self::WolfRbac,
        Self::HmacAuth,
        Self::LdapAuth,
    ];

    /// The plugin's name.
    pub(in crate::translate::apisix) fn plugin(self) -> &'static str {
        match self {
            Self::KeyAuth => "key-auth",
            Self::BasicAuth => "basic-auth",
            Self::JwtAuth => "jwt-auth",
            Self::WolfRbac => "wolf-rbac",
            Self::HmacAuth => "hmac-auth",
            Self::LdapAuth => "ldap-auth",
        }
    }

    /// The field of `authParameter`.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::KeyAuth => "keyAuth",
            Self::BasicAuth => "basicAuth",
            Self::JwtAuth => "jwtAuth",
            Self::WolfRbac => "wolfRBAC",
            Self::HmacAuth => "hmacAuth",
            Self::LdapAuth => "ldapAuth",
        }
    }

    /// All fields of `authParameter`, for messages.
    pub(super) fn fields() -> String {
        Self::ALL.map(Self::field).join(", ")
    }

    /// What its plugin wants to know.
    pub(super) fn parts(self) -> &'static [Part] {
        match self {
            Self::KeyAuth => KEY_AUTH,
            Self::BasicAuth => BASIC_AUTH,
            Self::JwtAuth => JWT_AUTH,
            Self::WolfRbac => WOLF_RBAC,
            Self::HmacAuth => HMAC_AUTH,
            Self::LdapAuth => LDAP_AUTH,
        }
    }

    /// Values that APISIX 3.11 took from the consumer and gave to the route's plugin.
    pub(super) fn moved_to_the_route(self) -> &'static [&'static str] {
        const OF_HMAC: &[&str] = &[
            "algorithm",
            "clock_skew",
            "signed_headers",
            "keep_headers",
            "encode_uri_params",
            "validate_request_body",
            "max_req_body",
        ];
        match self {
            Self::HmacAuth => OF_HMAC,
            Self::KeyAuth | Self::BasicAuth | Self::JwtAuth | Self::WolfRbac | Self::LdapAuth => &[],
        }
    }
}
