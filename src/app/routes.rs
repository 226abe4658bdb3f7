//! The whole route table. Handlers are `<verb>_<resource>`; that name is the `operationId` in openapi.yaml.

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, Responder, guard};

use crate::alerts::routes as alerts;
use crate::app::route::Route;
use crate::app::{about, budgets, contract, development, ops};
use crate::appointments::routes as appointments;
use crate::audit::routes as audit;
use crate::auth::routes::{forgotten, own_sessions, second_factor};
use crate::auth::{me, routes as auth};
use crate::calendar::routes as calendar;
use crate::check_ins::routes as check_ins;
use crate::clinics::routes as clinics;
use crate::compliance::routes as compliance;
use crate::conditions::routes as conditions;
use crate::consents::routes as consents;
use crate::courses::routes as courses;
use crate::devices::routes as devices;
use crate::erasure::routes::{self as erasure, page};
use crate::error::ApiError;
use crate::excuses::routes as excuses;
use crate::export::routes as export;
use crate::flags::routes as flags;
use crate::invitations::routes as invitations;
use crate::members::routes as members;
use crate::nudges::routes as nudges;
use crate::offline::routes as offline;
use crate::outcomes::routes as outcomes;
use crate::outdoors::routes as outdoors;
use crate::patients::routes as patients;
use crate::patients::worklist::routes as worklist;
use crate::preferences::routes as preferences;
use crate::protocols::drafts::routes as drafts;
use crate::protocols::routes as protocols;
use crate::protocols::routes::{evidence, locales, withdrawals};
use crate::push_health::routes as push_health;
use crate::treatments::{read, routes as treatments};

macro_rules! table {
    ($($servers:ident: $($path:literal => { $($method:ident $(@$mark:ident)? $handler:path),+ $(,)? })+)+) => {
        /// Every operation, in the order of the table.
        pub const ROUTES: &[Route] = &[
            $($($(Route {
                method: method_name!($method),
                path: $path,
                handler: stringify!($handler),
                development_only: development_only!($servers),
                costly: costly!($($mark)?),
            },)+)+)+
        ];

        /// Registers every operation, those of development servers if this is one whose clock can be put forward. What a
        /// resource does not do is answered with 405, what does not exist with 404.
        pub fn register(config: &mut ServiceConfig, development: bool) {
            $(
                if development || !development_only!($servers) {
                    $(
                        config.service(
                            web::resource($path)
                                $(.route(guarded!($($mark)? answering!($method).to($handler))))+
                                .default_service(web::to(method_not_allowed)),
                        );
                    )+
                }
            )+
            config
                .app_data(web::PathConfig::default().error_handler(|_, _| ApiError::NotFound.into()))
                .default_service(web::to(not_found));
        }
    };
}

/// Whoever answers GET answers HEAD; the server leaves the body out.
macro_rules! answering {
    (get) => {
        web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
    };
    ($method:ident) => {
        web::$method()
    };
}

/// What is costly has its handler behind a line.
macro_rules! guarded {
    (costly $route:expr) => {
        $route.wrap(from_fn(budgets::costly))
    };
    ($route:expr) => {
        $route
    };
}

macro_rules! costly {
    (costly) => {
        true
    };
    () => {
        false
    };
}

macro_rules! development_only {
    (every_server) => {
        false
    };
    (development_servers) => {
        true
    };
}

macro_rules! method_name {
    (get) => {
        "GET"
    };
    (post) => {
        "POST"
    };
    (put) => {
        "PUT"
    };
    (patch) => {
        "PATCH"
    };
    (delete) => {
        "DELETE"
    };
}

table! {
    every_server:
    "/healthz" => { get ops::find_health }
    "/readyz" => { get ops::find_readiness }
    "/openapi.yaml" => { get contract::find_contract }
    "/docs" => { get contract::show_docs }
    "/account/deletion" => { get page::show_deletion_page, post page::submit_deletion_page }
    "/v1/me/reminders" => { get alerts::list_reminders }
    "/v1/me/devices" => { get devices::list_devices }
    "/v1/me/devices/{device_id}" => { put devices::put_device, delete devices::delete_device }
    "/v1/me/devices/{device_id}/test" => { post devices::test_device }
    "/v1/me/devices/{device_id}/local-reminders" => { put devices::put_local_reminders }
    "/v1/me/devices/{device_id}/local-reminders/shown" => { post devices::show_local_reminders }
    "/v1/me/outdoors" => {
        get outdoors::find_outdoors, put outdoors::put_outdoors, delete outdoors::delete_outdoors,
    }
    "/v1/me/notification-preferences" => {
        get preferences::find_notification_preferences,
        put preferences::put_notification_preferences,
    }
    "/v1/patients" => { get worklist::list_patients, post patients::create_patient }
    "/v1/patients/{id}/export" => { post @costly export::export_patient }
    "/v1/patients/{id}" => { get patients::find_patient, patch patients::update_patient }
    "/.well-known/jwks.json" => { get auth::list_keys }
    "/v1/auth/register" => { post auth::register_user }
    "/v1/auth/login" => { post auth::create_session }
    "/v1/auth/refresh" => { post auth::refresh_session }
    "/v1/auth/logout" => { post auth::delete_session }
    "/v1/auth/cancel-deletion" => { post auth::cancel_deletion }
    "/v1/auth/reset" => { post auth::reset_password }
    "/v1/password-resets" => { post forgotten::create_password_reset }
    "/v1/auth/switch" => { post auth::switch_clinic }
    "/v1/config" => { get about::find_config }
    "/v1/audit" => { get audit::list_audit }
    "/v1/audit.csv" => { get @costly audit::download_audit }
    "/v1/me/access-log" => { get audit::list_looks }
    "/v1/me" => { get me::find_me, patch me::update_me }
    "/v1/me/sessions" => { get own_sessions::list_sessions, delete own_sessions::end_other_sessions }
    "/v1/me/sessions/{id}" => { delete own_sessions::end_session }
    "/v1/me/consents" => { get consents::list_consents, put consents::put_consents }
    "/v1/me/deletion" => { get erasure::find_deletion, post erasure::delete_login }
    "/v1/me/export" => { post export::export_me }
    "/v1/me/password" => { post own_sessions::change_password }
    "/v1/me/second-factor" => {
        get second_factor::find_second_factor, post second_factor::create_second_factor,
    }
    "/v1/me/second-factor/confirm" => { post second_factor::confirm_second_factor }
    "/v1/me/second-factor/recovery-codes" => { post second_factor::renew_recovery_codes }
    "/v1/me/second-factor/disable" => { post second_factor::disable_second_factor }
    "/v1/clinic" => { get clinics::find_clinic, patch clinics::update_clinic }
    "/v1/members" => { get members::list_members }
    "/v1/members/{id}" => { get members::find_member, patch members::update_member, delete members::delete_member }
    "/v1/members/{id}/reset-code" => { post members::create_reset_code }
    "/v1/members/{id}/second-factor/reset" => { post members::reset_second_factor }
    "/v1/clinic/sign-out" => { post members::sign_out_clinic }
    "/v1/invitations" => { get invitations::list_invitations, post invitations::create_invitation }
    "/v1/invitations/accept" => { post auth::accept_invitation }
    "/v1/invitations/{id}" => { delete invitations::delete_invitation }
    "/v1/treatments" => { get treatments::list_treatments, post treatments::create_treatment }
    "/v1/treatments/{id}" => {
        get treatments::find_treatment, patch treatments::update_treatment, delete treatments::cancel_treatment,
    }
    "/v1/treatments/{id}/check-ins/windows" => { get check_ins::list_check_in_windows }
    "/v1/treatments/{id}/check-ins" => { get check_ins::list_check_ins, post check_ins::create_check_in }
    "/v1/flags" => { get flags::list_flags }
    "/v1/flags/{id}" => { get flags::find_flag }
    "/v1/flags/{id}/acknowledge" => { post flags::acknowledge_flag }
    "/v1/flags/{id}/contacted" => { post flags::contact_about_flag }
    "/v1/flags/{id}/resolve" => { post flags::resolve_flag }
    "/v1/flags/{id}/reopen" => { post flags::reopen_flag }
    "/v1/nudges" => { get nudges::list_nudges }
    "/v1/nudges/{id}/acknowledge" => { post nudges::acknowledge_nudge }
    "/v1/alerts" => { get alerts::list_alerts }
    "/v1/alerts/statistics" => { get @costly alerts::find_alert_statistics }
    "/v1/alerts/failed" => { get alerts::list_failed_alerts }
    "/v1/alerts/failed/replay" => { post @costly alerts::replay_failed_alerts }
    "/v1/alerts/{id}" => { get alerts::find_alert }
    "/v1/alerts/{id}/opened" => { post alerts::open_alert }
    "/v1/alerts/{id}/snooze" => { post alerts::snooze_alert }
    "/v1/push/providers" => { get push_health::list_push_providers }
    "/v1/alerts/{id}/attempts" => { get alerts::list_attempts }
    "/v1/alerts/{id}/replay" => { post alerts::replay_alert }
    "/v1/treatments/{id}/complete" => { post treatments::complete_treatment }
    "/v1/treatments/{id}/confirm" => { post treatments::confirm_treatment }
    "/v1/protocols" => { get protocols::list_protocols }
    "/v1/protocols/{key}/versions/{number}" => { get protocols::find_protocol_version }
    "/v1/protocols/{key}/versions/{number}/disagreements" => { get evidence::list_disagreements }
    "/v1/protocols/{key}/versions/{number}/diff" => { get @costly evidence::find_protocol_diff }
    "/v1/protocols/{key}/versions/{number}/retire" => { post withdrawals::retire_protocol_version }
    "/v1/protocols/{key}/versions/{number}/recall" => { post withdrawals::recall_protocol_version }
    "/v1/protocols/{key}/versions/{number}/treatments" => { get treatments::list_treated }
    "/v1/protocols/{key}/versions/{number}/transfers" => { post @costly treatments::create_transfers }
    "/v1/treatments/{id}/overrides" => { get treatments::list_overrides }
    "/v1/treatments/{id}/overrides/{item_key}" => { put treatments::put_override, delete treatments::delete_override }
    "/v1/treatments/{id}/transfers" => { get treatments::list_transfers, post treatments::create_transfer }
    "/v1/treatments/{id}/transfers/preview" => { get @costly treatments::preview_transfer }
    "/v1/protocols/{key}/versions/{number}/locales" => { get locales::list_protocol_locales }
    "/v1/protocols/{key}/versions/{number}/locales/{locale}" => { get locales::find_protocol_locale }
    "/v1/protocols/{key}/versions/{number}/locales/{locale}/acceptance" => {
        put locales::accept_protocol_locale, delete locales::withdraw_protocol_locale,
    }
    "/v1/protocol-drafts" => { get drafts::list_drafts, post @costly drafts::create_draft }
    "/v1/protocol-drafts/{id}" => { get drafts::find_draft, put @costly drafts::put_draft, delete drafts::delete_draft }
    "/v1/protocol-drafts/{id}/preview" => { get @costly treatments::preview_draft }
    "/v1/protocol-drafts/{id}/publish" => { post @costly drafts::publish_draft }
    "/v1/faqs" => { get protocols::list_faqs }
    "/v1/treatments/{id}/timeline" => { get read::find_timeline }
    "/v1/treatments/{id}/guidance" => { get read::find_guidance }
    "/v1/treatments/{id}/bundle" => { get offline::find_bundle }
    "/v1/sync" => { get offline::list_changes }
    "/v1/treatments/{id}/tasks" => { get outcomes::list_tasks }
    "/v1/treatments/{id}/outcomes" => { post outcomes::create_outcomes }
    "/v1/treatments/{id}/conditions" => { get conditions::list_conditions }
    "/v1/treatments/{id}/conditions/{key}" => { post conditions::decide_condition }
    "/v1/treatments/{id}/excuses" => { get excuses::list_excuses, post excuses::create_excuse }
    "/v1/treatments/{id}/excuses/{excuse_id}" => { delete excuses::withdraw_excuse }
    "/v1/courses" => { get courses::list_courses, post courses::create_course }
    "/v1/courses/{id}" => {
        get courses::find_course, patch courses::update_course, delete courses::cancel_course,
    }
    "/v1/courses/{id}/complete" => { post courses::complete_course }
    "/v1/appointments" => { get appointments::list_appointments, post appointments::create_appointment }
    "/v1/appointments/{id}" => {
        get appointments::find_appointment,
        patch appointments::update_appointment,
        delete appointments::cancel_appointment,
    }
    "/v1/me/calendar-feeds" => { get calendar::list_calendar_feeds, post calendar::create_calendar_feed }
    "/v1/me/calendar-feeds/{id}" => { delete calendar::delete_calendar_feed }
    "/v1/calendar/{token}.ics" => { get calendar::read_calendar }
    "/v1/treatments/{id}/compliance" => { get compliance::find_treatment_compliance }
    "/v1/patients/{id}/compliance" => { get compliance::find_patient_compliance }
    "/v1/courses/{id}/compliance" => { get compliance::find_course_compliance }
    "/v1/clinic/compliance" => { get @costly compliance::find_clinic_compliance }
    "/v1/treatments/{id}/compliance.csv" => { get @costly compliance::download_treatment_compliance }
    "/v1/patients/{id}/compliance.csv" => { get @costly compliance::download_patient_compliance }
    "/v1/courses/{id}/compliance.csv" => { get @costly compliance::download_course_compliance }
    "/v1/clinic/compliance.csv" => { get @costly compliance::download_clinic_compliance }

    development_servers:
    "/v1/dev/clock" => { post development::advance_clock }
}

async fn not_found() -> Result<&'static str, ApiError> {
    Err(ApiError::NotFound)
}

/// Which methods a path has can be read off the table.
async fn method_not_allowed(request: HttpRequest) -> impl Responder {
    let pattern = request.match_pattern().unwrap_or_default();
    let own = ROUTES.iter().filter(|route| route.path == pattern).map(|route| route.method);
    let methods: Vec<_> =
        own.flat_map(|method| if method == "GET" { vec!["GET", "HEAD"] } else { vec![method] }).collect();
    Err::<&'static str, _>(ApiError::MethodNotAllowed { allow: methods.join(", ") })
}
