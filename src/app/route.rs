//! What an operation of the API is to those who go through all of them: servers, documents, tests.

/// One operation of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// HTTP method, upper case.
    pub method: &'static str,
    /// Path pattern, as in openapi.yaml.
    pub path: &'static str,
    /// Path of the handler; its last part is the `operationId`.
    pub handler: &'static str,
    /// It exists on development servers alone.
    pub development_only: bool,
    /// It is paid for twice, and only so many go on at once.
    pub costly: bool,
}

impl Route {
    /// The handler's name.
    pub fn operation_id(&self) -> &'static str {
        self.handler.rsplit("::").next().unwrap_or(self.handler).trim()
    }
}
