//! The state of a function: the ports that it uses.

/// Declares the state of a function with the ports that it uses. Each port has the name of the method of
/// [`Platform`] that returns it. The policy of the function in `template.yaml` allows these ports and
/// no others.
///
/// ```
/// web::ports! {
///     /// The ports of a function that lists files.
///     struct List { jobs, files, settings, audit }
///     with {
///         /// The documents that exports wrote.
///         attachments: std::sync::Arc<storage::packs::Attachments> =
///             |platform| Ok(std::sync::Arc::new(storage::packs::Attachments::new(platform.files()?))),
///     }
/// }
///
/// fn router(platform: &(impl platform::Platform + ?Sized)) -> domain::error::Result<axum::Router> {
///     let list = List::of(platform)?;
///     # let _ = (&list.jobs, &list.files, &list.audit, &list.attachments);
///     Ok(axum::Router::new().with_state(list))
/// }
/// ```
///
/// defines `List` with a field for each port and for each value below `with`; `List::of`, which creates it with the ports
/// of a host; and `FromRef` for the ports that the extractors of [`web`](crate) need: the settings, the clock, the expiring
/// store and the verifier.
///
/// # Errors
///
/// `List::of` returns the error of a port that the host does not have.
#[macro_export]
macro_rules! ports {
    (
        $(#[$about:meta])*
        $visibility:vis struct $State:ident { $($port:ident),+ $(,)? }
        $(with { $($(#[$about_value:meta])* $value:ident: $Value:ty = $made:expr),+ $(,)? })?
    ) => {
        $(#[$about])*
        #[derive(Clone)]
        $visibility struct $State {
            $($port: $crate::ports!(@type $port),)+
            $($($(#[$about_value])* $value: $Value,)+)?
        }

        impl $State {
            /// Creates the state with the ports of a host.
            fn of(platform: &(impl $crate::ports::Platform + ?Sized)) -> $crate::ports::Result<Self> {
                Ok(Self {
                    $($port: $crate::ports!(@take $port of platform),)+
                    $($($value: $crate::ports::make(platform, $made)?,)+)?
                })
            }
        }

        $($crate::ports!(@extract $port of $State);)+
    };

    (@type jobs) => { ::std::sync::Arc<dyn $crate::ports::Jobs> };
    (@type queue) => { ::std::sync::Arc<dyn $crate::ports::Queue> };
    (@type files) => { ::std::sync::Arc<dyn $crate::ports::Files> };
    (@type records) => { ::std::sync::Arc<dyn $crate::ports::Records> };
    (@type expiring) => { ::std::sync::Arc<dyn $crate::ports::ExpiringStore> };
    (@type clock) => { ::std::sync::Arc<dyn $crate::ports::Clock> };
    (@type random) => { ::std::sync::Arc<dyn $crate::ports::Random> };
    (@type settings) => { ::std::sync::Arc<$crate::ports::Settings> };
    (@type keys) => { ::std::sync::Arc<$crate::ports::Keys> };
    (@type verifier) => { ::std::sync::Arc<$crate::ports::Verifier> };
    (@type verified_tokens) => { ::std::sync::Arc<$crate::ports::VerifiedTokens> };
    (@type audit) => { $crate::audit::Audit };
    (@type $other:ident) => {
        ::std::compile_error!(::std::concat!("`", ::std::stringify!($other), "` is not a port of `platform::Platform`"))
    };

    (@take settings of $platform:ident) => { $platform.settings() };
    (@take clock of $platform:ident) => { $platform.clock() };
    (@take random of $platform:ident) => { $platform.random() };
    (@take verified_tokens of $platform:ident) => { $platform.verified_tokens() };
    (@take audit of $platform:ident) => { $crate::audit::Audit::new($platform.audit()?, $platform.clock()) };
    (@take $port:ident of $platform:ident) => { $platform.$port()? };

    (@extract settings of $State:ident) => { $crate::ports!(@from_ref settings of $State); };
    (@extract clock of $State:ident) => { $crate::ports!(@from_ref clock of $State); };
    (@extract expiring of $State:ident) => { $crate::ports!(@from_ref expiring of $State); };
    (@extract verifier of $State:ident) => { $crate::ports!(@from_ref verifier of $State); };
    (@extract $port:ident of $State:ident) => {};

    (@from_ref $port:ident of $State:ident) => {
        impl $crate::ports::FromRef<$State> for $crate::ports!(@type $port) {
            fn from_ref(state: &$State) -> Self {
                state.$port.clone()
            }
        }
    };
}

/// Creates a value of a function's state. The macro calls it, so that the compiler knows the type of the parameter of `make`.
#[doc(hidden)]
pub fn make<P: ?Sized, V>(platform: &P, make: impl FnOnce(&P) -> Result<V>) -> Result<V> {
    make(platform)
}

// The macro uses these names in the crates that call it.
pub use axum::extract::FromRef;
pub use domain::clock::{Clock, Random};
pub use domain::error::Result;
pub use domain::ports::expiring::ExpiringStore;
pub use domain::ports::files::Files;
pub use domain::ports::jobs::Jobs;
pub use domain::ports::queue::Queue;
pub use domain::ports::records::Records;
pub use platform::Platform;
pub use security::keys::Keys;
pub use security::verify::{VerifiedTokens, Verifier};
pub use settings::Settings;
