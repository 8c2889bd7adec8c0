//! Courses, their members, and remarks.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use crate::api::graphql::asker::Asker as _;
use crate::api::graphql::connection::parse_id;
use crate::api::graphql::enums::CourseRole;
use crate::api::graphql::object::{Course, Feedback};
use crate::service::courses::UpdateCourse;
use crate::service::feedback::AddFeedback;
use crate::service::{courses, feedback};

/// A new course.
#[derive(InputObject)]
pub struct CreateCourseInput {
    /// What to call it.
    title: String,
}

/// Changes of a course; what is left out stays as it is.
#[derive(InputObject)]
pub struct UpdateCourseInput {
    /// The course's id.
    id: ID,
    /// What to call it.
    title: Option<String>,
    /// Whether nothing can be handed in any more.
    is_archived: Option<bool>,
    /// Whether the old join code is to lead nowhere.
    is_join_code_renewed: Option<bool>,
}

/// A course to join.
#[derive(InputObject)]
pub struct JoinCourseInput {
    /// What the teacher shows. Case, spaces and dashes do not matter.
    join_code: String,
}

/// A course to leave.
#[derive(InputObject)]
pub struct LeaveCourseInput {
    /// The course's id.
    course_id: ID,
}

/// Another role for a member.
#[derive(InputObject)]
pub struct SetMemberRoleInput {
    /// The course's id.
    course_id: ID,
    /// The member's user id.
    user_id: ID,
    /// The role.
    role: CourseRole,
}

/// A member to remove.
#[derive(InputObject)]
pub struct RemoveMemberInput {
    /// The course's id.
    course_id: ID,
    /// The member's user id.
    user_id: ID,
}

/// A course that was changed.
#[derive(SimpleObject)]
pub struct CoursePayload {
    /// As it is now.
    course: Course,
}

/// A remark to make.
#[derive(InputObject)]
pub struct AddFeedbackInput {
    /// The submission's id.
    submission_id: ID,
    /// What it says.
    body: String,
    /// On which file; left out for the submission as a whole.
    path: Option<String>,
    /// From which line, counted from 1.
    start_line: Option<i32>,
    /// To which line; left out for startLine alone.
    end_line: Option<i32>,
}

/// The new remark.
#[derive(SimpleObject)]
pub struct FeedbackPayload {
    /// The new remark.
    feedback: Feedback,
}

/// Courses, their members, and remarks.
#[derive(Debug, Default)]
pub struct CoursesMutation;

#[Object]
impl CoursesMutation {
    /// Makes a course; the viewer is its teacher. Only for teachers and admins.
    async fn create_course(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new course.")] input: CreateCourseInput,
    ) -> Result<CoursePayload> {
        let course = courses::create(ctx.services(), ctx.viewer()?, &input.title).await?;
        Ok(CoursePayload { course: course.into() })
    }

    /// Renames, archives or reopens a course, or renews its join code. Only for its teachers.
    async fn update_course(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateCourseInput,
    ) -> Result<CoursePayload> {
        let viewer = ctx.viewer()?;
        let update = UpdateCourse {
            title: input.title,
            is_archived: input.is_archived,
            is_join_code_renewed: input.is_join_code_renewed.unwrap_or(false),
        };
        let course = courses::update(ctx.services(), viewer, parse_id(&input.id, "course")?, update).await?;
        Ok(CoursePayload { course: course.into() })
    }

    /// Joins a course as a student.
    async fn join_course(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its join code.")] input: JoinCourseInput,
    ) -> Result<CoursePayload> {
        let course = courses::join(ctx.services(), ctx.viewer()?, &input.join_code).await?;
        Ok(CoursePayload { course: course.into() })
    }

    /// Leaves a course. What was handed in stays.
    async fn leave_course(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which course.")] input: LeaveCourseInput,
    ) -> Result<CoursePayload> {
        let viewer = ctx.viewer()?;
        let course = courses::leave(ctx.services(), viewer, parse_id(&input.course_id, "course")?).await?;
        Ok(CoursePayload { course: course.into() })
    }

    /// Gives a member another role. Only for teachers of the course.
    async fn set_member_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, and which role.")] input: SetMemberRoleInput,
    ) -> Result<CoursePayload> {
        let viewer = ctx.viewer()?;
        let (course, user) = (parse_id(&input.course_id, "course")?, parse_id(&input.user_id, "user")?);
        let course = courses::set_member_role(ctx.services(), viewer, course, user, input.role.into()).await?;
        Ok(CoursePayload { course: course.into() })
    }

    /// Removes a member. What they handed in stays. Only for teachers of the course.
    async fn remove_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom.")] input: RemoveMemberInput,
    ) -> Result<CoursePayload> {
        let viewer = ctx.viewer()?;
        let (course, user) = (parse_id(&input.course_id, "course")?, parse_id(&input.user_id, "user")?);
        Ok(CoursePayload { course: courses::remove_member(ctx.services(), viewer, course, user).await?.into() })
    }

    /// Remarks on a submission. Only for teachers and assistants of its course.
    async fn add_feedback(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The remark.")] input: AddFeedbackInput,
    ) -> Result<FeedbackPayload> {
        let viewer = ctx.viewer()?;
        let remark = AddFeedback {
            submission_id: parse_id(&input.submission_id, "submission")?,
            body: input.body,
            path: input.path,
            start_line: input.start_line,
            end_line: input.end_line,
        };
        let feedback = feedback::add(ctx.services(), viewer, &remark).await?;
        Ok(FeedbackPayload { feedback: feedback.into() })
    }
}
